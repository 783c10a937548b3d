package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/refold/refold/projections/projection"
	"github.com/refold/refold/projections/store"
	"github.com/refold/refold/schemas/codec"
	"github.com/refold/refold/schemas/event"
	"github.com/refold/refold/streams/timeline"
)

// path is what a task of several sources has beside one of one source: where it stands in each, and what puts their
// records into one order. Its task folds one piece after the other: of a logged round, or, where the task is the one
// that decides, a round of what is there.
type path struct {
	sources []string
	each    vector // up to where is folded; the task's next is its sum
	until   vector // the end of the piece that is folded
	merger  *merger
	logs    [][16]byte
	decides bool            // the task decided where rounds end, when it last looked
	more    chan struct{}   // tells that there may be something to fold
	grown   <-chan struct{} // closed when another round may be logged
}

// newPath returns the path of a task from its checkpoint on, nil where there is one source.
func newPath(sources []string, clock func(*timeline.Record) (int64, error), saved store.Checkpoint) (*path, error) {
	if len(sources) < 2 {
		return nil, nil
	}
	p := &path{sources: sources, each: make(vector, len(sources)), logs: make([][16]byte, len(sources)), more: make(chan struct{}, 1)}
	if saved.Next > 0 && len(saved.Sources) != len(sources) {
		return nil, fmt.Errorf("rows of %d sources are not rows of %v", max(1, len(saved.Sources)), sources)
	}
	for i, s := range saved.Sources {
		if s.Topic != sources[i] {
			return nil, fmt.Errorf("rows of %s are not rows of %s", s.Topic, sources[i])
		}
		p.each[i], p.logs[i] = s.Next, s.Log
	}
	p.merger = newMerger(sources, p.each, clock)
	return p, nil
}

// clockOf returns when a record was recorded, as it says itself or, where it does not, as its topic does.
func clockOf(c *codec.Codec) func(*timeline.Record) (int64, error) {
	return func(rec *timeline.Record) (int64, error) {
		schema, err := c.Lookup(context.Background(), rec.Value)
		if err != nil {
			return 0, err
		}
		var says struct {
			RecordedAt event.Micros `avro:"recorded_at"`
		}
		if err := schema.View(rec.Value, &says); err != nil {
			return 0, err
		}
		if says.RecordedAt == 0 {
			return rec.Timestamp.UnixMicro(), nil
		}
		return int64(says.RecordedAt), nil
	}
}

// source returns which of the sources a record is of.
func (p *path) source(rec *timeline.Record) int { return slices.Index(p.sources, rec.Topic) }

// stored returns the path as a checkpoint has it; nothing where there is one source.
func (p *path) stored() []store.Source {
	if p == nil {
		return nil
	}
	out := make([]store.Source, len(p.sources))
	for i, topic := range p.sources {
		out[i] = store.Source{Topic: topic, Next: p.each[i], Log: p.logs[i]}
	}
	return out
}

// place returns the position of a record, and which source it is of.
func (t *task) place(rec *timeline.Record) (position int64, source int) {
	if t.path == nil {
		return rec.Offset, 0
	}
	p := t.path
	source = p.source(rec)
	return p.each.sum() - p.each[source] + rec.Offset, source
}

// nextOf returns up to where the task has folded a topic, 0 where it does not read it.
func (t *task) nextOf(topic string) int64 {
	i := slices.Index(t.sources, topic)
	switch {
	case i < 0:
		return 0
	case t.path == nil:
		return t.next
	}
	return t.path.each[i]
}

// first returns how far the first source is folded.
func (t *task) first() int64 {
	if t.path == nil {
		return t.next
	}
	return t.path.each[0]
}

// move takes the task to an offset of the source of a record.
func (t *task) move(rec *timeline.Record, offset int64) {
	if t.path == nil {
		t.next = offset
		return
	}
	t.path.each[t.path.source(rec)] = offset
	t.next = t.path.each.sum()
}

// pass takes the task to the end of what it has folded.
func (t *task) pass(next int64) {
	if t.path == nil {
		t.next = max(t.next, next)
		return
	}
	t.stand(t.path.until)
}

// stand takes a task of several sources to a place.
func (t *task) stand(at vector) {
	if t.path != nil && at != nil {
		copy(t.path.each, at)
		t.next = at.sum()
	}
}

// here returns where a task of several sources stands, nil where there is one.
func (t *task) here() vector {
	if t.path == nil {
		return nil
	}
	return slices.Clone(t.path.each)
}

// nudge has the task look whether there is something to fold. It may be called concurrently.
func (p *path) nudge() {
	select {
	case p.more <- struct{}{}:
	default:
	}
}

// wanted tells the task that there may be something to fold, and that there may be another round.
func (t *task) wanted() (more, grown <-chan struct{}) {
	if t.path == nil {
		return nil, nil
	}
	return t.path.more, t.path.grown
}

// sawIn notes an end of a source. It may be called concurrently.
func (t *task) sawIn(topic string, end int64) {
	if t.path == nil {
		t.saw(end)
		return
	}
	if sum := t.path.merger.saw(slices.Index(t.path.sources, topic), end); sum >= 0 {
		t.saw(sum)
		t.path.nudge()
	}
}

// admit takes a batch of one of several sources, to be folded by advance.
func (t *task) admit(ctx context.Context, b timeline.Batch) error {
	if b.Err != nil && errors.Is(b.Err, timeline.ErrHole) {
		return b.Err
	}
	for _, rec := range b.Records {
		if err := t.learn(ctx, rec); err != nil {
			return fmt.Errorf("record of %s at offset %d: %w", b.Topic, rec.Offset, err)
		}
	}
	if err := t.path.merger.add(b); err != nil {
		return err
	}
	t.sawIn(b.Topic, max(b.End, b.Next))
	t.path.nudge()
	return nil
}

// advance folds one piece of what is there, if the task may, and saves where it is time to.
func (t *task) advance(ctx context.Context) error {
	b, ok, err := t.piece()
	if err != nil {
		return err
	}
	if ok {
		t.path.nudge()
		return t.round(ctx, b)
	}
	if len(t.emission.rounds) > 0 && !t.path.decides {
		t.path.nudge()
		return t.save(ctx) // which logs what the task has decided, or is overruled
	}
	return nil
}

// piece returns what is to be folded next, false where there is nothing that the task may fold.
func (t *task) piece() (b timeline.Batch, ok bool, err error) {
	p := t.path
	logged, decides, grown, err := t.emission.course(p.each)
	if err != nil {
		return b, false, err
	}
	p.grown, p.decides = grown, decides
	if logged == nil && !decides {
		return b, false, nil
	}
	full := p.merger.anyFull()
	next, ok := p.merger.take(logged, maxPart)
	if !ok {
		return b, false, nil
	}
	if full && !p.merger.anyFull() {
		t.resumed()
	}
	if logged == nil {
		t.emission.decide(next.round)
	}
	p.until = next.end
	return timeline.Batch{
		Topic: p.sources[0], Partition: t.partition, From: next.begin.sum(), Records: next.records, Next: next.end.sum(),
	}, true, nil
}

// settle has the rounds logged that the task has decided on, where the fold of a row has failed in them: the row is
// parked at a place, which must be there when the task begins anew. It returns why the task ends.
func (t *task) settle(ctx context.Context, err error) error {
	var failed *projection.RowError
	if t.path == nil || !errors.As(err, &failed) {
		return err
	}
	t.emission.drop()
	saved, _ := t.state()
	if unlogged := t.emission.release(ctx, saved); unlogged != nil {
		return unlogged
	}
	return err
}
