package engine

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/refold/refold/projections/projection"
	"github.com/refold/refold/projections/store"
	"github.com/refold/refold/streams/timeline"
)

// Bounds of a round. A task saves when it has folded all there is, or when it has changed so many rows,
// or after so long; far from the end of its source it only does the latter two, so that a row that
// changes often is written seldom.
const (
	maxDirty   = 20_000
	maxUnsaved = time.Second
	farBehind  = 2_000
)

// errPassed is returned where a task has folded beyond the position that it should stop at.
var errPassed = errors.New("the task is beyond the position")

// task folds one partition of one generation, in rounds: fold, then save rows and checkpoint.
//
// Rows and checkpoint are one atomic write, so that after a crash at any moment the stored rows are
// exactly those of the checkpoint, and folding goes on from there. Where a store keeps the two apart, a
// row found ahead of the checkpoint is left alone by the offset it carries.
type task struct {
	partition int32
	store     store.Store
	folder    projection.Folder
	base      *base
	maxRows   int

	in   chan timeline.Batch
	cuts chan cut

	// Of the running goroutine alone.
	pending *cut
	unsaved time.Time // since when something is folded and not saved; zero where all is
	event   time.Time
	next    int64

	folded atomic.Int64 // records folded since the start
	end    atomic.Int64 // end of the source, as last seen

	mu      sync.Mutex
	saved   store.Checkpoint // guarded by mu
	err     error            // guarded by mu; why the task stands still
	changed chan struct{}    // guarded by mu; closed and replaced when saved or err changes
}

// cut asks a task to stop at a position and to give the store as it is there.
type cut struct {
	// at is the position; -1 is where the task happens to be.
	at    int64
	reply chan<- cutResult
}

type cutResult struct {
	snapshot store.Snapshot
	at       int64
	err      error
}

// base reads the stored rows of one task. A task that began with none and forgot none reads nothing.
type base struct {
	store     store.Store
	partition int32
	empty     bool
}

// Load implements projection.Base.
func (b *base) Load(key []byte) ([]byte, error) {
	if b.empty {
		return nil, nil
	}
	return b.store.Load(b.partition, key)
}

func newTask(partition int32, s store.Store, maxRows int, folder func(projection.Base) projection.Folder) (*task, error) {
	saved, err := s.Checkpoint(partition)
	if err != nil {
		return nil, fmt.Errorf("checkpoint of task %d: %w", partition, err)
	}
	t := &task{
		partition: partition, store: s, maxRows: maxRows,
		base:  &base{store: s, partition: partition},
		in:    make(chan timeline.Batch, 2),
		cuts:  make(chan cut),
		saved: saved, next: saved.Next, event: saved.EventTime,
		changed: make(chan struct{}),
	}
	if t.base.empty, err = isEmpty(s, partition); err != nil {
		return nil, err
	}
	t.folder = folder(t.base)
	t.end.Store(saved.Next)
	return t, nil
}

func isEmpty(s store.Store, partition int32) (bool, error) {
	empty := true
	err := s.Scan(partition, nil, nil, func(_, _ []byte) bool {
		empty = false
		return false
	})
	return empty, err
}

// run folds what comes in until ctx ends, then saves once more. A failure stops the task and is kept.
func (t *task) run(ctx context.Context) {
	err := t.rounds(ctx)
	if err == nil {
		err = t.save()
	}
	if t.pending != nil {
		t.pending.reply <- cutResult{err: fmt.Errorf("task %d ended before %d: %w", t.partition, t.pending.at, errors.Join(err, ctx.Err()))}
	}
	if err != nil {
		t.stop(err)
		t.refuseCuts(ctx)
	}
}

func (t *task) rounds(ctx context.Context) error {
	for {
		if err := t.step(ctx); err != nil || ctx.Err() != nil {
			return err
		}
	}
}

// step waits for one thing to do and does it.
func (t *task) step(ctx context.Context) error {
	var due <-chan time.Time
	if !t.unsaved.IsZero() {
		timer := time.NewTimer(time.Until(t.unsaved.Add(maxUnsaved)))
		defer timer.Stop()
		due = timer.C
	}
	select {
	case <-ctx.Done():
		return nil
	case <-due:
		return t.save()
	case c := <-t.cuts:
		return t.begin(c)
	case b := <-t.in:
		return t.take(b)
	}
}

// take folds a batch and saves where it is time to.
func (t *task) take(b timeline.Batch) error {
	if b.Err != nil && errors.Is(b.Err, timeline.ErrHole) {
		return b.Err
	}
	t.saw(max(b.End, b.Next))
	if err := t.fold(b); err != nil {
		return err
	}
	caughtUp := len(t.in) == 0 && t.end.Load()-t.next < farBehind
	if caughtUp || t.folder.Dirty() >= maxDirty || (!t.unsaved.IsZero() && time.Since(t.unsaved) >= maxUnsaved) {
		return t.save()
	}
	return nil
}

// saw notes an end of the source; ends only grow. It may be called concurrently.
func (t *task) saw(end int64) {
	for {
		known := t.end.Load()
		if end <= known || t.end.CompareAndSwap(known, end) {
			return
		}
	}
}

// fold folds a batch, stopping on the way where a cut is wanted. Records that were folded before, which a
// reader may give again after a restart, are passed over.
func (t *task) fold(b timeline.Batch) error {
	for _, rec := range b.Records {
		if rec.Offset < t.next {
			continue
		}
		if t.pending != nil && rec.Offset >= t.pending.at {
			if err := t.finish(); err != nil {
				return err
			}
		}
		if err := t.folder.Fold(rec); err != nil {
			return fmt.Errorf("fold record at offset %d: %w", rec.Offset, err)
		}
		t.next, t.event = rec.Offset+1, rec.Timestamp
		t.folded.Add(1)
	}
	if t.pending != nil && b.Next >= t.pending.at {
		if err := t.finish(); err != nil {
			return err
		}
	}
	t.next = max(t.next, b.Next)
	if t.unsaved.IsZero() {
		t.unsaved = time.Now()
	}
	return nil
}

// save writes the changed rows and the checkpoint.
func (t *task) save() error {
	c := store.Checkpoint{Next: t.next, EventTime: t.event}
	t.mu.Lock()
	same := t.saved.Next == c.Next
	t.mu.Unlock()
	if same && t.folder.Dirty() == 0 {
		t.unsaved = time.Time{}
		return nil
	}
	err := t.store.Save(t.partition, c, func(w store.Writer) error { return t.folder.Changed(w.Set) })
	if err != nil {
		return err
	}
	if t.folder.Len() > t.bound() {
		t.base.empty = false
		t.folder.Shrink()
	}
	t.unsaved = time.Time{}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.saved = c
	t.announce()
	return nil
}

// bound is how many rows the task may keep in memory: many while it rebuilds, so that each is read and
// written seldom, few once it has caught up.
func (t *task) bound() int {
	if t.end.Load()-t.next < farBehind {
		return t.maxRows / 32
	}
	return t.maxRows
}

// announce wakes those who wait for a change. The caller holds mu.
func (t *task) announce() {
	close(t.changed)
	t.changed = make(chan struct{})
}

func (t *task) stop(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.err = err
	t.announce()
}

// begin takes a cut: at once where the task is there, later where it is not yet.
func (t *task) begin(c cut) error {
	switch {
	case t.pending != nil:
		c.reply <- cutResult{err: fmt.Errorf("task %d is being cut at %d already", t.partition, t.pending.at)}
		return nil
	case c.at >= 0 && c.at < t.next:
		c.reply <- cutResult{at: t.next, err: errPassed}
		return nil
	}
	t.pending = &c
	if c.at < 0 {
		c.at = t.next
	}
	if c.at == t.next {
		return t.finish()
	}
	return nil
}

// finish saves at the position of the pending cut and answers it.
func (t *task) finish() error {
	c := t.pending
	t.pending = nil
	t.next = c.at
	if err := t.save(); err != nil {
		c.reply <- cutResult{err: err}
		return err
	}
	snapshot, err := t.store.Snapshot()
	c.reply <- cutResult{snapshot: snapshot, at: c.at, err: err}
	return nil
}

// refuseCuts answers what is asked of a task that stands still.
func (t *task) refuseCuts(ctx context.Context) {
	_, err := t.state()
	for {
		select {
		case c := <-t.cuts:
			c.reply <- cutResult{err: err}
		case <-t.in:
		case <-ctx.Done():
			return
		}
	}
}

// cutAt asks the task to stop at a position, -1 for where it is, and returns the store as it is there.
func (t *task) cutAt(ctx context.Context, at int64) cutResult {
	reply := make(chan cutResult, 1)
	select {
	case t.cuts <- cut{at: at, reply: reply}:
	case <-ctx.Done():
		return cutResult{err: fmt.Errorf("cut task %d at %d: %w", t.partition, at, ctx.Err())}
	}
	select {
	case r := <-reply:
		return r
	case <-ctx.Done():
		// The task answers into the buffer; a snapshot that nobody takes is closed here.
		go func() {
			if r := <-reply; r.snapshot != nil {
				_ = r.snapshot.Close()
			}
		}()
		return cutResult{err: fmt.Errorf("cut task %d at %d: %w", t.partition, at, ctx.Err())}
	}
}

// state returns the saved checkpoint and why the task stands still, if it does.
func (t *task) state() (store.Checkpoint, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.saved, t.err
}

// wait returns when everything below an offset is saved, or the task stands still, or ctx ends.
func (t *task) wait(ctx context.Context, offset int64) error {
	for {
		t.mu.Lock()
		saved, err, changed := t.saved.Next, t.err, t.changed
		t.mu.Unlock()
		if saved >= offset {
			return nil
		}
		if err != nil {
			return err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("task %d is at %d, not yet at %d: %w", t.partition, saved, offset, ctx.Err())
		}
	}
}
