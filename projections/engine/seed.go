package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/refold/refold/projections/acts"
	"github.com/refold/refold/projections/projection"
	"github.com/refold/refold/projections/store"
	"github.com/refold/refold/projections/trail"
	"github.com/refold/refold/schemas/event"
	"github.com/refold/refold/streams/position"
	"github.com/refold/refold/streams/timeline"
	"github.com/refold/refold/streams/topic"
)

// seeding fills the rows of a generation that does not begin with none, before its tasks run: with those of
// a snapshot, or with those of the live generation but for the keys that are folded anew.
//
// What is filled in is what a fold from the beginning makes, so that nothing rests on it but time: a task
// that could not be filled folds from the beginning. Rows are written before the checkpoint that they belong
// to; where a crash comes between, the rows carry their own positions, and filling begins again.
type seeding struct {
	cancel context.CancelFunc
	done   chan struct{}
}

// seeded tells whether a generation may run: that its rows are filled in, or need not be. It begins to fill
// them where that has not begun.
func (e *Engine) seeded(ctx context.Context, id store.Generation, g acts.Generation) bool {
	whole := g.Created.Snapshot == "" && len(g.Created.Keys) == 0 && g.Created.TouchedBy == ""
	if whole {
		return true
	}
	state, _ := e.cfg.Acts.State()
	e.mu.Lock()
	defer e.mu.Unlock()
	if s := e.seeds[id]; s != nil {
		// It may be live by now: its rows are open all the same until they are filled in.
		select {
		case <-s.done:
			return true
		default:
			return false
		}
	}
	if state.Projection(id.Projection).Live == id.Number {
		return true
	}
	partitions := slices.Clone(e.assigned[id.Projection])
	if len(partitions) == 0 {
		return false
	}
	ctx, cancel := context.WithCancel(ctx)
	s := &seeding{cancel: cancel, done: make(chan struct{})}
	e.seeds[id] = s
	go func() {
		defer e.wake()
		defer close(s.done)
		if err := e.seed(ctx, id, g, partitions); err != nil && ctx.Err() == nil {
			e.cfg.Logger.Warn("a replay folds from the beginning: its rows could not be filled in", "projection", id.Projection, "generation", id.Number, "error", err)
		}
	}()
	return false
}

// unseed ends the filling of a generation's rows. The caller holds no lock.
func (e *Engine) unseed(id store.Generation) {
	e.mu.Lock()
	s := e.seeds[id]
	delete(e.seeds, id)
	e.mu.Unlock()
	if s != nil {
		s.cancel()
		<-s.done
	}
}

func (e *Engine) seed(ctx context.Context, id store.Generation, g acts.Generation, partitions []int32) (err error) {
	d, err := e.definition(id.Projection, g)
	if err != nil {
		return err
	}
	s, err := e.openRows(id)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	fill := e.seedTask
	if g.Created.Snapshot != "" {
		from, err := e.openSnapshot(id.Projection, g.Created.Snapshot)
		if err != nil {
			return err
		}
		defer from.Close()
		fill = func(_ context.Context, f filling) error { return e.seedSnapshot(f, from) }
	}
	for _, p := range partitions {
		at, err := s.Checkpoint(p)
		if err == nil && at.Next == 0 {
			err = fill(ctx, filling{definition: d, created: g.Created, id: id, partition: p, rows: s})
		}
		if err != nil {
			return fmt.Errorf("fill in partition %d: %w", p, err)
		}
	}
	return nil
}

// filling is one task that is filled in.
type filling struct {
	definition *projection.Definition
	created    event.ActRecorded
	id         store.Generation
	partition  int32
	rows       store.Store
}

// seedTask fills a task with the rows of the live generation, and those of some keys folded anew.
func (e *Engine) seedTask(ctx context.Context, f filling) error {
	state, _ := e.cfg.Acts.State()
	p := state.Projection(f.id.Projection)
	live, _ := p.Generation(p.Live)
	if live.Version != f.created.Version || live.Hash != f.created.Hash {
		return fmt.Errorf("rows of generation %d are of another fold", p.Live)
	}
	var v *View
	var gone error
	err := patiently(ctx, func() (err error) {
		v, err = e.View(ctx, Query{Projection: f.id.Projection, Generation: p.Live, Partition: f.partition})
		if state, _ := e.cfg.Acts.State(); errors.Is(err, ErrNotHere) && (!e.holds(f) || state.Projection(f.id.Projection).Live != p.Live) {
			gone = err
			return nil
		}
		return err
	})
	if err = errors.Join(err, gone); err != nil {
		return err
	}
	defer v.Close()
	at, err := v.snapshot.Checkpoint(f.partition)
	if err != nil || at.Next == 0 {
		return err
	}
	anew, err := e.keysOf(ctx, f, at)
	if err != nil {
		return err
	}
	into := &filler{filling: f, left: e.leftOutOf(f.id.Projection, f.partition, at)}
	if err := into.takeOver(v.snapshot, anew); err != nil {
		return err
	}
	return e.foldAnew(ctx, f, at, anew)
}

// holds tells whether a task is one of this process.
func (e *Engine) holds(f filling) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Contains(e.assigned[f.id.Projection], f.partition)
}

// keysOf returns the partition keys whose rows of a task are folded anew.
func (e *Engine) keysOf(ctx context.Context, f filling, at store.Checkpoint) (map[string]bool, error) {
	anew := make(map[string]bool)
	for _, k := range f.created.Keys {
		anew[k] = true
	}
	if f.created.TouchedBy == "" {
		return anew, nil
	}
	// A folder that wants no row says which rows it would change.
	probe := f.definition.Only(e.cfg.Codec, func(k projection.Key) bool { anew[k.Partition] = true; return false })
	topic := f.definition.Topic
	for _, r := range f.definition.Reads {
		if r.Event == f.created.TouchedBy {
			topic = r.Topic
		}
	}
	until := folded(at, f.definition.Topic, topic)
	err := e.scan(ctx, position.Partition{Topic: topic, Partition: f.partition}, until, func(rec *timeline.Record) error {
		schema, err := e.cfg.Codec.Lookup(ctx, rec.Value)
		if err != nil || schema.Name != f.created.TouchedBy {
			return err
		}
		return probe.Fold(rec)
	})
	return anew, err
}

// fillBytes bounds the rows of one save.
const fillBytes = 4 << 20

// filler writes the rows of a task bit by bit, without a checkpoint until they are all there.
type filler struct {
	filling
	left   leftOut
	batch  []pair
	size   int
	broken error
}

// take writes a row, sooner or later, and tells whether it could.
func (f *filler) take(key, value []byte) bool {
	f.batch = append(f.batch, pair{key: bytes.Clone(key), value: bytes.Clone(value)})
	if f.size += len(key) + len(value); f.size >= fillBytes {
		f.broken = f.end(store.Checkpoint{})
	}
	return f.broken == nil
}

// end writes what is left, with a checkpoint.
func (f *filler) end(at store.Checkpoint) error {
	err := f.rows.Save(f.partition, at, func(w store.Writer) error {
		for _, r := range f.batch {
			if err := f.left.set(w, r.key, r.value); err != nil {
				return err
			}
		}
		return nil
	})
	f.batch, f.size = f.batch[:0], 0
	return err
}

// takeOver copies the rows of a task but for some keys, without a checkpoint: they are not all yet.
func (f *filler) takeOver(from store.Reader, but map[string]bool) error {
	err := from.Scan(f.partition, nil, nil, func(key, value []byte) bool {
		return but[projection.DecodeKey(string(key)).Partition] || f.take(key, value)
	})
	if err = errors.Join(err, f.broken); err != nil {
		return err
	}
	return f.end(store.Checkpoint{})
}

// foldAnew folds the rows of some keys up to a checkpoint and saves them with it.
func (e *Engine) foldAnew(ctx context.Context, f filling, at store.Checkpoint, anew map[string]bool) error {
	var folders []projection.Folder
	alone := e.standing(f.id.Projection, f.partition, at)
	left := alone.leftOut()
	fold := func(key string, wanted func(projection.Key) bool) error {
		past := e.newPastFold(f.definition, Moment{place: at.Next}, wanted)
		folders = append(folders, past.folder)
		alone.leave(past.folder)
		q := Query{Projection: f.id.Projection, Partition: f.partition, Key: key, AsOf: &past.moment}
		return e.refold(ctx, q, past, past.fold)
	}
	if f.created.TouchedBy != "" || !e.trailed(f.definition, anew) {
		if err := fold("", func(k projection.Key) bool { return anew[k.Partition] }); err != nil {
			return err
		}
	} else {
		for key := range anew {
			if err := fold(key, func(k projection.Key) bool { return k.Partition == key }); err != nil {
				return err
			}
		}
	}
	return f.rows.Save(f.partition, at, func(w store.Writer) error {
		for _, folder := range folders {
			err := folder.Changed(func(key, value []byte) error { return left.set(w, key, value) })
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// trailed tells whether the events of all keys can be found without reading the partition.
func (e *Engine) trailed(d *projection.Definition, keys map[string]bool) bool {
	if _, err := e.newest(trail.Name); err != nil || !slices.Contains(d.Sources, topic.Transactions) {
		return false
	}
	for k := range keys {
		if _, ok := trail.Of(k); !ok {
			return false
		}
	}
	return true
}
