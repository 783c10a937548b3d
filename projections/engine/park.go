package engine

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/refold/refold/projections/projection"
	"github.com/refold/refold/projections/store"
)

// Where the fold of an event fails for a row, the row is parked: it stays as it was before the event, and is folded
// no further. All other rows go on, and what the event makes of them is kept.
//
// A fold that failed may have changed half of its row in memory. So the task ends as in a crash, without saving,
// and a new one takes its place that begins at the checkpoint and leaves the row alone from that event on. What it
// leaves alone stands in its checkpoint, so that it is the same write that saves the other rows beyond the event. A
// crash before that loses the parking with them: the same fold fails at the same event again.

// maxParked bounds the rows of a task that are parked, because they are written with each checkpoint. A task with
// more stands still: it is the fold that is wrong then, and not an event.
const maxParked = 100

// maxReason bounds the reason that is kept of a parked row, in bytes.
const maxReason = 500

// park has a new task leave rows alone.
func (t *task) park(saved store.Checkpoint, cfg taskConfig) {
	t.replace = cfg.replace
	t.parked = parkedOf(saved)
	maps.Copy(t.parked, cfg.parked)
	t.parked.leave(t.folder)
}

// parking are the rows of a task that stand still, by their encoded keys.
type parking map[string]store.Parked

func parkedOf(c store.Checkpoint) parking {
	out := make(parking)
	for _, p := range c.Parked {
		out[string(p.Key)] = p
	}
	return out
}

// leave has a folder leave the rows alone.
func (k parking) leave(f projection.Folder) {
	if len(k) > 0 {
		f.Skip(k.skip)
	}
}

// skip tells whether a row is left alone at an offset.
func (k parking) skip(key string, offset int64) bool {
	p, ok := k[key]
	return ok && offset >= p.Position
}

// parking returns the rows of a task of a generation that stand still; none where it does not run here.
func (e *Engine) parking(id store.Generation, partition int32) (parking, error) {
	r := e.acquire(id)
	if r == nil {
		return nil, nil
	}
	defer r.readers.Done()
	c, err := r.store.Checkpoint(partition)
	return parkedOf(c), err
}

// parks parks the row whose fold failed, and tells whether it did.
func (t *task) parks(err error) bool {
	var row *projection.RowError
	if t.replace == nil || !errors.As(err, &row) || len(t.parked) >= maxParked {
		return false
	}
	t.parked[row.Key] = parkedBy(row)
	return true
}

// crowded adds to an error that its row would have been parked, but for the others.
func (t *task) crowded(err error) error {
	var row *projection.RowError
	if t.replace == nil || !errors.As(err, &row) {
		return err
	}
	return fmt.Errorf("%d rows are parked already: %w", len(t.parked), err)
}

func parkedBy(row *projection.RowError) store.Parked {
	reason := row.Err.Error()
	return store.Parked{
		Key: []byte(row.Key), Position: row.Offset, Since: row.At.UTC(), Reason: reason[:min(len(reason), maxReason)],
	}
}

// below returns the rows that stand still since events below an offset, in order of their keys.
func (k parking) below(next int64) (out []store.Parked) {
	for _, key := range slices.Sorted(maps.Keys(k)) {
		if p := k[key]; p.Position < next {
			out = append(out, p)
		}
	}
	return out
}

// replace begins a task anew that has parked a row, from its checkpoint. It follows: what is left of a building goes
// on in rounds.
func (f *Follower) replace(t *task) {
	f.mu.Lock()
	defer f.mu.Unlock()
	before := f.tasks[t.partition]
	if before == nil || before.task != t || f.running.Err() != nil {
		return // it was revoked, or all ends
	}
	cfg := f.config(t.partition)
	cfg.parked, cfg.build = t.parked, nil
	w, err := f.newWorker(t.partition, cfg)
	if err != nil {
		t.stop(err)
		return
	}
	w.folded.Store(t.folded.Load())
	w.end.Store(t.end.Load())
	w.level.Store(t.level.Load())
	f.reader.Remove(f.cfg.Definition.Topic, t.partition)
	f.tasks[t.partition] = w
	f.start(w)
}
