package engine

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/refold/refold/projections/acts"
	"github.com/refold/refold/projections/projection"
	"github.com/refold/refold/projections/store"
	"github.com/refold/refold/streams/timeline"
)

// What is decided about a row is an act: to fold it again, or to discard the event that it stands still before. Every
// task follows the acts of its partition in their order, between two rounds, and its checkpoint says how many it has
// followed, so that after a crash it goes on with the next. To follow one is to fold the row anew, alone, from its
// first event to where the task stands, with all that was ever discarded left out. That comes to the same whether the
// row was parked at the event or had folded it, and whenever a task learns of the act.
//
// Effects are released before the row is saved: those of the events that waited, but for the ones that are published.

// refoldWithin bounds how long a task stops to fold one row anew, and againAfter is when it is tried again where that
// was too short, or the trail is not there yet.
const (
	refoldWithin = 10 * time.Second
	againAfter   = time.Second
)

// refolding is a row that is folded anew.
type refolding struct {
	partition int32
	key       string
	until     int64
	leave     standing
	emit      func(position int64, e projection.Effect) error
}

// remember has the task leave out what was discarded by acts that it has followed, once they are known here: another
// process may have heard of them first. It is false where ctx ends before.
func (t *task) remember(ctx context.Context) bool {
	if t.acts == nil || t.followed == 0 {
		return true
	}
	for {
		rows, changed := t.acts()
		if len(rows) >= t.followed {
			t.discarded = discardedOf(rows, t.partition)
			t.leave(t.folder)
			return true
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return false
		}
	}
}

// follow follows the acts that the task has not followed. What it returns is closed when there may be more.
func (t *task) follow(ctx context.Context) (<-chan struct{}, error) {
	if t.acts == nil {
		return nil, nil
	}
	rows, changed := t.acts()
	t.count(rows)
	if len(rows) <= t.followed {
		return changed, nil
	}
	if wait := time.Until(t.tried.Add(againAfter)); wait > 0 {
		return after(ctx, wait), nil
	}
	t.discarded = discardedOf(rows, t.partition)
	t.leave(t.folder)
	here := false // who waits for an act looks for it in the checkpoint
	for _, a := range rows[t.followed:] {
		here = here || a.Partition == t.partition
		if a.Partition == t.partition && t.concerns(a) {
			if err := t.anew(ctx, a); errors.Is(err, errNotAnew) {
				t.tried = time.Now()
				return after(ctx, againAfter), nil
			} else if err != nil {
				return nil, err
			}
		}
		t.followed++
		t.count(rows)
	}
	if here && t.next > 0 {
		return changed, t.save(ctx)
	}
	return changed, nil
}

// after returns what is closed after a time, or when ctx ends.
func after(ctx context.Context, d time.Duration) <-chan struct{} {
	ctx, cancel := context.WithTimeout(ctx, d)
	context.AfterFunc(ctx, cancel)
	return ctx.Done()
}

// concerns tells whether an act changes a row of what is folded.
func (t *task) concerns(a acts.RowAct) bool {
	_, parked := t.parked[a.Key]
	return parked || a.Discarded && a.Position < t.nextOf(a.Topic)
}

// errNotAnew is wrapped where a row could not be folded anew for now.
var errNotAnew = errors.New("the row cannot be folded anew now")

// anew follows one act: it folds the row anew, releases what waited, and saves both.
func (t *task) anew(ctx context.Context, a acts.RowAct) error {
	if err := t.save(ctx); err != nil {
		return err
	}
	was, parked := t.parked[a.Key]
	if parked {
		switch ahead, err := t.emission.ahead(ctx, t.checkpoint(t.followed)); {
		case err != nil:
			return fmt.Errorf("row %q: %w: %w", a.Key, errNotAnew, err)
		case ahead:
			return fmt.Errorf("row %q: %w: others were told of events beyond %d, by who had the task before", a.Key, errNotAnew, t.next)
		}
	}
	bounded, cancel := context.WithTimeout(ctx, refoldWithin)
	defer cancel()
	row, err := t.refold(bounded, refolding{
		partition: t.partition, key: a.Key, until: t.next, leave: standing{discarded: t.discarded},
		emit: func(position int64, e projection.Effect) error {
			if !parked || position < was.Position {
				return nil
			}
			return t.emission.take(e)
		},
	})
	var failed *projection.RowError
	if err != nil && !errors.As(err, &failed) {
		t.emission.drop()
		return fmt.Errorf("row %q: %w: %w", a.Key, errNotAnew, err)
	}
	if err := t.emission.releaseChosen(ctx, t.checkpoint(t.followed)); err != nil {
		return err
	}
	delete(t.parked, a.Key)
	if failed != nil {
		t.parked[a.Key] = parkedBy(failed)
	}
	return t.putBack(a.Key, row)
}

// ahead tells whether effects were published of events that the task has not folded, as after a crash before it saved.
// A row must not go on before the task is there: its events up to there would be taken to be told, and only those that
// it waited for are published by their ids.
func (m *emission) ahead(ctx context.Context, at store.Checkpoint) (bool, error) {
	if m == nil {
		return false, nil
	}
	for _, s := range sourcesIn(at, m.emitter.cfg.source) {
		if !m.emitter.speaks(m.voice, s.Topic, timeline.Span{Start: s.Next, End: math.MaxInt64}) {
			continue
		}
		if !m.taken {
			if err := m.try(ctx, at.First()); err != nil {
				return false, err
			}
		}
		if m.emitter.speaks(m.voice, s.Topic, timeline.Span{Start: s.Next, End: m.emitter.emitted(m.of(s.Topic)) + 1}) {
			return true, nil
		}
	}
	return false, nil
}

// putBack saves a row that was folded anew, with the checkpoint that says so, and forgets what it was.
func (t *task) putBack(key string, row []byte) error {
	c := t.checkpoint(t.followed + 1)
	t.emission.stamp(&c)
	t.left[key] = t.leftOut()[key] // of acts, too, that the task has still to follow
	err := t.store.Save(t.partition, c, func(w store.Writer) error {
		if row == nil {
			return nil
		}
		t.base.wrote([]byte(key))
		return t.left.set(w, []byte(key), row)
	})
	if err != nil {
		return err
	}
	t.base.forgetful = true
	t.folder.Shrink()
	t.folder.Shrink()
	t.leave(t.folder)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.saved = c
	t.announce()
	return nil
}

// refoldRow folds one row from its first event to a position, with all rows of its partition key, for they may tell each
// other what they decide. A *projection.RowError says where it failed; the row is then the one before. Where another one
// fails it is left alone from there on, as when it is parked.
//
// Which rows fail is found before effects are handed out, so that these are of the row as it comes out, each once.
func (e *Engine) refoldRow(ctx context.Context, d *projection.Definition, r refolding) ([]byte, error) {
	emit := r.emit
	r.emit, r.leave.parked = nil, make(parking)
	var failed *projection.RowError
	for {
		row, err := e.refoldOnce(ctx, d, r)
		var stopped *projection.RowError
		switch {
		case errors.As(err, &stopped) && stopped.Key == r.key:
			// The fold may have changed half of the row: it is folded once more, up to there.
			failed, r.until = stopped, stopped.Position
		case errors.As(err, &stopped):
			r.leave.parked[stopped.Key] = parkedBy(stopped)
		case err != nil:
			e.cfg.Logger.Warn("a row is not folded anew yet", "projection", d.Name, "partition", r.partition, "row", projection.DecodeKey(r.key), "error", err)
			return nil, err
		case emit != nil:
			r.emit, emit = emit, nil
		case failed != nil:
			return row, failed
		default:
			return row, nil
		}
	}
}

// refoldOnce folds a row and those beside it, until one of them fails.
func (e *Engine) refoldOnce(ctx context.Context, d *projection.Definition, r refolding) ([]byte, error) {
	key := projection.DecodeKey(r.key)
	f := e.newPastFold(d, Moment{place: r.until}, beside(key.Partition))
	r.leave.leave(f.folder)
	var now int64
	if r.emit != nil {
		f.folder.Emit(func(x projection.Effect) error {
			if x.Row != r.key {
				return nil
			}
			return r.emit(now, x)
		})
	}
	q := Query{Projection: d.Name, Partition: r.partition, Key: key.Partition, AsOf: &f.moment}
	if err := e.refold(ctx, q, f, func(s step) error { now = s.position; return f.fold(s) }); err != nil {
		return nil, err
	}
	return f.folder.Stored([]byte(r.key))
}

// beside wants the rows of a partition key.
func beside(partition string) func(projection.Key) bool {
	return func(k projection.Key) bool { return k.Partition == partition }
}
