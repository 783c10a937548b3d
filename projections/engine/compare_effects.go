package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/refold/refold/projections/acts"
	"github.com/refold/refold/projections/projection"
	"github.com/refold/refold/projections/store"
	"github.com/refold/refold/schemas/codec"
	"github.com/refold/refold/schemas/event"
	"github.com/refold/refold/streams/timeline"
)

// ErrNoEffects is wrapped where a projection has no effects that could be compared or released.
var ErrNoEffects = errors.New("the projection has no effects")

// Told is an effect as a generation would emit it.
type Told struct {
	event.Effect
	Topic, Event string
	// Text is the effect as JSON, of those that differ.
	Text string

	value []byte
}

// EffectDifference is an effect on which two generations do not agree.
type EffectDifference struct {
	// Less is what the one emits, More what the other does; nil where it emits nothing of that id.
	Less, More *Told
}

// EffectComparison is what one generation would have emitted less and more than another.
type EffectComparison struct {
	Same, Less, More, Changed int64
	// Differences are the first of them, at most as many as were asked for.
	Differences []EffectDifference
}

// CompareEffects folds the sources from their beginning by the folds of two generations, and compares what they emit
// of the events from the beginning of the projection on. It changes nothing and publishes nothing.
func (e *Engine) CompareEffects(ctx context.Context, name string, before, after int64, limit int) (*EffectComparison, error) {
	out := &EffectComparison{}
	err := e.refoldEffects(ctx, name, []int64{before, after}, func(told []map[string]*Told) {
		for _, id := range slices.Sorted(maps.Keys(union(told))) {
			out.note(told[0][id], told[1][id], limit)
		}
	})
	for _, d := range out.Differences {
		err = errors.Join(err, e.describe(ctx, d.Less), e.describe(ctx, d.More))
	}
	if err != nil {
		return nil, fmt.Errorf("compare the effects of %s: %w", name, err)
	}
	return out, nil
}

// describe adds the text of an effect, if there is one.
func (e *Engine) describe(ctx context.Context, t *Told) error {
	if t == nil {
		return nil
	}
	_, text, err := e.cfg.Codec.JSON(ctx, t.value)
	t.Text = string(text)
	return err
}

func union(told []map[string]*Told) map[string]bool {
	all := make(map[string]bool)
	for _, some := range told {
		for id := range some {
			all[id] = true
		}
	}
	return all
}

func (c *EffectComparison) note(less, more *Told, limit int) {
	switch {
	case more == nil:
		c.Less++
	case less == nil:
		c.More++
	case bytes.Equal(less.value, more.value) && less.Topic == more.Topic:
		c.Same++
		return
	default:
		c.Changed++
	}
	if len(c.Differences) < limit {
		c.Differences = append(c.Differences, EffectDifference{Less: less, More: more})
	}
}

// refoldEffects folds the sources by the folds of generations, and hands over what each emits of every partition, by
// id. The rows are folded beside those that are stored, and forgotten.
func (e *Engine) refoldEffects(ctx context.Context, name string, generations []int64, each func([]map[string]*Told)) error {
	if _, err := e.newest(name); err != nil {
		return err
	}
	if e.emitters[name] == nil {
		return fmt.Errorf("%w: %s", ErrNoEffects, name)
	}
	e.effects.Lock() // the rows beside have a place for one
	defer e.effects.Unlock()
	state, _ := e.cfg.Acts.State()
	p := state.Projection(name)
	spans, err := timeline.Spans(ctx, e.cfg.Cluster, e.source(name))
	if err != nil {
		return err
	}
	var folds []*scratch
	defer func() {
		for _, f := range folds {
			f.drop(e)
		}
	}()
	for i, number := range generations {
		f, err := e.newScratch(ctx, name, p, number, -1-int64(i))
		if err != nil {
			return err
		}
		folds = append(folds, f)
	}
	for partition, span := range spans {
		told, err := e.foldBeside(ctx, folds, partition, span.End)
		if err != nil {
			return err
		}
		each(told)
	}
	return nil
}

// foldBeside returns what each of some folds emits of a partition, by id, up to where the first source ends. Of an
// event that has no place yet among those of several sources none of them does.
func (e *Engine) foldBeside(ctx context.Context, folds []*scratch, partition int32, end int64) ([]map[string]*Told, error) {
	for _, f := range folds {
		if err := f.open(ctx, partition); err != nil {
			return nil, err
		}
		if len(f.definition.Sources) < 2 {
			continue
		}
		past := e.newPastFold(f.definition, Moment{Position: latest}, f.none)
		s, err := e.sequence(ctx, Query{Projection: f.id.Projection, Partition: partition}, past)
		if err != nil {
			return nil, err
		}
		f.sequence, end = s, min(end, s.end[0])
	}
	for _, f := range folds {
		for _, other := range folds {
			if f.sequence != nil && other.sequence != nil && f.sequence.known == other.sequence.known {
				f.sequence.bound.position = min(f.sequence.bound.position, other.sequence.bound.position)
			}
		}
		if f.sequence != nil && end < f.sequence.end[0] {
			f.sequence.bound.first = end
		}
	}
	var told []map[string]*Told
	for _, f := range folds {
		if err := e.foldAll(ctx, f, end); err != nil {
			return nil, fmt.Errorf("%s version %d, partition %d: %w", f.definition.Name, f.definition.Version, partition, err)
		}
		told = append(told, f.said)
	}
	return told, nil
}

// foldAll folds a partition, up to where the first source is to end.
func (e *Engine) foldAll(ctx context.Context, f *scratch, end int64) error {
	if f.sequence != nil {
		f.sequence.each = f.fold
		if err := f.sequence.walk(ctx); !errors.Is(err, errEnough) {
			return err
		}
		return nil
	}
	spans := map[int32]timeline.Span{f.partition: {End: end}}
	return timeline.Scan(ctx, e.cfg.Cluster, f.definition.Topic, spans, func(b timeline.Batch) error {
		for _, rec := range b.Records {
			if err := f.fold(rec, rec.Offset); err != nil {
				return err
			}
		}
		return nil
	})
}

// scratch folds by the fold of a generation into rows that are dropped afterwards.
type scratch struct {
	id         store.Generation
	store      store.Store
	definition *projection.Definition
	codec      *codec.Codec
	encoders   map[projection.EffectKind]*codec.Encoder
	reigns     []acts.Reign
	maxRows    int
	// standing returns what a task of the generation leaves alone: what it has not told is not told here.
	standing func(partition int32) (standing, error)

	// Of the partition that is folded.
	partition int32
	task      *Offline
	sequence  *sequence // of several sources
	said      map[string]*Told
}

func (e *Engine) newScratch(ctx context.Context, name string, p acts.Projection, generation, number int64) (*scratch, error) {
	g, ok := p.Generation(generation)
	if !ok {
		return nil, fmt.Errorf("%w: generation %d of %s", ErrUnknown, generation, name)
	}
	d, err := e.definition(name, g)
	if err != nil {
		return nil, err
	}
	f := &scratch{id: store.Generation{Projection: name, Number: number}, definition: d, codec: e.cfg.Codec, reigns: p.Reigns, maxRows: e.cfg.MaxRows}
	if f.maxRows == 0 {
		f.maxRows = 50_000
	}
	f.standing = func(partition int32) (standing, error) {
		return e.standingIn(store.Generation{Projection: name, Number: generation}, partition)
	}
	if f.encoders, err = encodersOf(ctx, e.cfg.Codec, d.Emits); err != nil {
		return nil, err
	}
	if err := e.cfg.Stores.Drop(f.id); err != nil {
		return nil, err
	}
	f.store, err = e.cfg.Stores.Open(f.id)
	return f, err
}

func (f *scratch) drop(e *Engine) {
	if err := errors.Join(f.store.Close(), e.cfg.Stores.Drop(f.id)); err != nil {
		e.cfg.Logger.Warn("rows that were folded for a look are left over", "projection", f.id.Projection, "error", err)
	}
}

// none wants no row.
func (f *scratch) none(projection.Key) bool { return false }

// open begins a partition. What is emitted of it is noted, but nothing of what is below the projection's beginning.
func (f *scratch) open(ctx context.Context, partition int32) (err error) {
	f.partition, f.sequence, f.said = partition, nil, make(map[string]*Told)
	f.task, err = newOffline(f.definition, f.codec, f.store, taskConfig{partition: partition, maxRows: f.maxRows})
	if err != nil {
		return err
	}
	left, err := f.standing(partition)
	if err != nil {
		return err
	}
	left.leave(f.task.t.folder)
	f.task.t.folder.Emit(func(x projection.Effect) error {
		t, err := f.told(ctx, x)
		if err == nil && t.SourceOffset >= f.reigns[0].Begins(t.SourceTopic, partition) {
			f.said[t.EffectID] = t
		}
		return err
	})
	return nil
}

// fold folds a record.
func (f *scratch) fold(rec *timeline.Record, position int64) error {
	if err := f.task.t.folder.FoldAt(rec, position); err != nil {
		return fmt.Errorf("fold record of %s at offset %d: %w", rec.Topic, rec.Offset, err)
	}
	if f.task.t.folder.Dirty() >= f.maxRows/2 {
		return f.task.Save()
	}
	return nil
}

func (f *scratch) told(ctx context.Context, x projection.Effect) (*Told, error) {
	t := &Told{Topic: x.Topic, Event: x.Event.Name()}
	var err error
	if t.value, err = f.encoders[projection.EffectKind{Topic: t.Topic, Event: t.Event}].Append(nil, x.Event); err != nil {
		return nil, err
	}
	schema, err := f.codec.Lookup(ctx, t.value)
	if err != nil {
		return nil, err
	}
	if err := schema.Decode(t.value, &t.Effect); err != nil { // a copy: the event's strings are valid for this call only
		return nil, err
	}
	return t, nil
}
