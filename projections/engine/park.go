package engine

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/refold/refold/projections/acts"
	"github.com/refold/refold/projections/projection"
	"github.com/refold/refold/projections/store"
	"github.com/refold/refold/streams/timeline"
)

// Where the fold of an event fails for a row, the row is parked: it stays as it was before the event, and is folded
// no further. All other rows go on, and what the event makes of them is kept.
//
// A fold that failed may have changed half of its row in memory. So the task ends as in a crash, without saving,
// and a new one takes its place that begins at the checkpoint and leaves the row alone from that event on. What it
// leaves alone is written beside the checkpoint before it folds anything: once it has told of other rows beyond the
// event, the marks say that all below is told, and after a crash a fold that is mended would fold the row on in silence.

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
	t.acts, t.refold, t.followed = cfg.acts, cfg.refold, saved.Acts
	t.leave(t.folder)
}

// list writes what stands still beside the checkpoint, where it is not there yet.
func (t *task) list() error {
	c, _ := t.state()
	if len(c.Parked) == len(t.parked) {
		return nil
	}
	c.Log, c.Parked = t.log, t.parked.listed()
	if err := t.store.Save(t.partition, c, func(store.Writer) error { return nil }); err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.saved = c
	t.announce()
	return nil
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

// standing is what a task leaves alone: the rows that stand still, and the events that were discarded from rows.
type standing struct {
	parked    parking
	discarded map[place]bool
}

// place is an event of a row: where it stands in its own source.
type place struct {
	key    string
	topic  string
	offset int64
}

// leave has a folder leave alone what is to be.
func (s standing) leave(f projection.Folder) {
	if len(s.parked) == 0 && len(s.discarded) == 0 {
		f.Skip(nil)
		return
	}
	f.Skip(s.skip)
}

// skip tells whether a row is left alone at an event.
func (s standing) skip(key string, rec *timeline.Record, position int64) bool {
	p, ok := s.parked[key]
	return ok && position >= p.Position || s.discarded[place{key, rec.Topic, rec.Offset}]
}

// discardedOf returns what was discarded from rows of a partition.
func discardedOf(rows []acts.RowAct, partition int32) map[place]bool {
	out := make(map[place]bool)
	for _, a := range rows {
		if a.Discarded && a.Partition == partition {
			out[place{a.Key, a.Topic, a.Position}] = true
		}
	}
	return out
}

// rowActs returns what tells a task of a projection what was decided about rows.
func (e *Engine) rowActs(name string) func() ([]acts.RowAct, <-chan struct{}) {
	return func() ([]acts.RowAct, <-chan struct{}) {
		state, changed := e.cfg.Acts.State()
		return state.Projection(name).Rows, changed
	}
}

// standing returns what a task of a projection leaves alone that has come to a checkpoint.
func (e *Engine) standing(name string, partition int32, c store.Checkpoint) standing {
	state, _ := e.cfg.Acts.State()
	return standing{parkedOf(c), discardedOf(state.Projection(name).Rows, partition)}
}

// standingIn is standing for a generation as it is now. Where it does not run here, no row is parked in it.
func (e *Engine) standingIn(id store.Generation, partition int32) (standing, error) {
	var c store.Checkpoint
	if r := e.acquire(id); r != nil {
		defer r.readers.Done()
		var err error
		if c, err = r.store.Checkpoint(partition); err != nil {
			return standing{}, err
		}
	}
	return e.standing(id.Projection, partition, c), nil
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
		Key: []byte(row.Key), Position: row.Position, Since: row.At.UTC(), Reason: reason[:min(len(reason), maxReason)],
		Topic: row.Topic, Offset: row.Offset,
	}
}

// listed returns the rows that stand still in order of their keys.
func (k parking) listed() (out []store.Parked) {
	for _, key := range slices.Sorted(maps.Keys(k)) {
		out = append(out, k[key])
	}
	return out
}

// standingAt returns those rows of a checkpoint that stand still below its position. Others are listed that the task
// has not come to yet.
func standingAt(c store.Checkpoint) []store.Parked {
	return slices.DeleteFunc(slices.Clone(c.Parked), func(p store.Parked) bool { return p.Position >= c.Next })
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
	f.unread(t.partition)
	f.tasks[t.partition] = w
	f.start(w)
}
