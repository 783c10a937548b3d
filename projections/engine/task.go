package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/refold/refold/projections/acts"
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
	// maxPart is after how many records of a batch it is looked whether to save.
	maxPart = 500
	// fewRows is how many rows a task that has caught up may keep in memory, at least.
	fewRows = 2_000
)

// task folds one partition of one generation, in rounds: fold, release the effects, save rows and checkpoint.
//
// Rows and checkpoint are one atomic write, so that after a crash at any moment the stored rows are
// exactly those of the checkpoint, and folding goes on from there. Where a store keeps the two apart, a
// row found ahead of the checkpoint is left alone by the offset it carries.
type task struct {
	partition int32
	sources   []string
	store     store.Store
	folder    projection.Folder
	base      *base
	maxRows   int

	in   chan timeline.Batch
	cuts chan cut
	done chan struct{} // closed when the task has ended

	emission *emission
	// build folds what there is before the task follows; nil where it follows from the start.
	build func(context.Context, *task) error
	// dropped is offered while the task waits for others to release: it takes nothing more meanwhile.
	dropped chan struct{}
	// waiting says that the task is not to be read for: it waits for others, or is being built.
	waiting atomic.Bool
	// resumed is told when it waits no more.
	resumed func()

	// Of the running goroutine alone, or of the builder that it waits for.
	pending *cut
	held    *timeline.Batch // what the task may not fold yet
	barred  <-chan struct{} // closed when it may be able to
	room    int             // rows that may be in memory while the task is built; 0 where it is not
	unsaved time.Time       // since when something is folded and not saved; zero where all is
	event   time.Time
	next    int64
	log     [16]byte
	path    *path // nil where there is one source

	// learn finds what is needed to decode a record, before it is folded: a fold does no I/O.
	learn func(context.Context, *timeline.Record) error
	// failed is told why the task stands still, once.
	failed func(error)
	// parked are the rows that stand still; see park.go. A task that has ended because it parked one is given to
	// replace, which is nil where a fold that fails stops the task.
	standing
	replace func(*task)
	// acts returns what was decided about rows, and what is closed when there may be more; refold folds a row anew.
	// followed is how many of the acts the task has followed, and tried when it could not follow the next.
	acts     func() ([]acts.RowAct, <-chan struct{})
	refold   func(context.Context, refolding) ([]byte, error)
	followed int
	tried    time.Time
	// left is what is left out of the rows, by the first counted acts.
	left    leftOut
	counted int

	born   time.Time
	folded atomic.Int64 // records folded since the start
	end    atomic.Int64 // end of the source, as last seen; -1 before
	level  atomic.Int64 // when the task was last at that end, in µs since 1970; 0 before

	mu      sync.Mutex
	saved   store.Checkpoint // guarded by mu
	err     error            // guarded by mu; why the task stands still
	changed chan struct{}    // guarded by mu; closed and replaced when saved or err changes
}

// taskConfig is what a task is made of.
type taskConfig struct {
	partition int32
	store     store.Store
	maxRows   int
	folder    func(projection.Base) projection.Folder
	learn     func(context.Context, *timeline.Record) error
	failed    func(error)
	// sources are what is folded, and clock tells when a record was recorded, where there are several.
	sources []string
	clock   func(*timeline.Record) (int64, error)
	// parked are rows that stand still beside those that the checkpoint names.
	parked  parking
	replace func(*task)
	acts    func() ([]acts.RowAct, <-chan struct{})
	refold  func(context.Context, refolding) ([]byte, error)
	// build folds what a task that has nothing yet is to begin with; nil where there is none.
	build func(context.Context, *task) error
	// emission returns what takes the effects; nil where there are none.
	emission func(store.Checkpoint) *emission
	resumed  func()
}

func newTask(cfg taskConfig) (*task, error) {
	partition, s := cfg.partition, cfg.store
	saved, err := s.Checkpoint(partition)
	if err != nil {
		return nil, fmt.Errorf("checkpoint of task %d: %w", partition, err)
	}
	t := &task{
		partition: partition, sources: cfg.sources, store: s, maxRows: cfg.maxRows, learn: cfg.learn, failed: cfg.failed,
		base:  &base{store: s, partition: partition},
		in:    make(chan timeline.Batch, 1),
		cuts:  make(chan cut),
		done:  make(chan struct{}),
		saved: saved, next: saved.Next, event: saved.EventTime, log: saved.Log,
		changed: make(chan struct{}), born: time.Now(),
		dropped: make(chan struct{}), resumed: cfg.resumed, left: make(leftOut),
	}
	if t.path, err = newPath(cfg.sources, cfg.clock, saved); err != nil {
		return nil, fmt.Errorf("checkpoint of task %d: %w", partition, err)
	}
	empty, err := isEmpty(s, partition)
	if err != nil {
		return nil, err
	}
	if empty {
		t.base.written.Store(newFilter())
	}
	if empty && saved.Next == 0 && cfg.build != nil {
		t.build = cfg.build
		t.waiting.Store(true)
	}
	t.folder = cfg.folder(t.base)
	t.park(saved, cfg)
	if cfg.emission != nil {
		t.emission = cfg.emission(saved)
		t.folder.Emit(t.emission.take)
	}
	t.end.Store(-1)
	return t, nil
}

// run folds what comes in until ctx ends, then saves once more. A failure stops the task and is kept. The
// rows must be those of the log that is read: the position of another log says nothing.
func (t *task) run(ctx context.Context, logs ...[16]byte) {
	defer close(t.done)
	if !t.remember(ctx) {
		return
	}
	err := t.bind(logs...)
	if err == nil && t.path != nil {
		err = t.emission.know(ctx, t.first())
	}
	if err == nil {
		err = t.list()
	}
	if err == nil {
		_, err = t.follow(ctx)
	}
	if err == nil && t.build != nil {
		err = t.build(ctx, t)
		t.waiting.Store(false)
		t.resumed()
	}
	if err == nil {
		err = t.settle(ctx, t.rounds(ctx))
	}
	if err == nil {
		err = t.save(ctx)
	}
	if unreleased(err) && ctx.Err() != nil {
		t.failed(err) // its events are folded again by who has it next
		err = nil
	}
	if t.pending != nil {
		t.pending.reply <- cutResult{err: fmt.Errorf("task %d ended before %d: %w", t.partition, t.pending.at, errors.Join(ErrNotHere, err))}
	}
	if t.parks(err) || errors.Is(err, errOverruled) && t.replace != nil {
		t.replace(t)
		return
	}
	if err != nil {
		t.stop(t.crowded(err))
		t.refuseCuts(ctx)
	}
}

func (t *task) bind(logs ...[16]byte) error {
	if t.next > 0 && t.log != logs[0] {
		return fmt.Errorf("%w: the rows were folded from topic id %x, it is now %x", timeline.ErrHole, t.log, logs[0])
	}
	t.log = logs[0]
	if t.path == nil {
		return nil
	}
	if t.next > 0 && !slices.Equal(t.path.logs, logs) {
		return fmt.Errorf("%w: the rows were folded from topic ids %x, they are now %x", timeline.ErrHole, t.path.logs, logs)
	}
	t.path.logs = logs
	return nil
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
	decided, err := t.follow(ctx)
	if err != nil {
		return err
	}
	if t.held != nil {
		return t.hold(ctx, due)
	}
	more, grown := t.wanted()
	select {
	case <-decided:
		return nil
	case <-ctx.Done():
		return nil
	case <-due:
		return t.save(ctx)
	case c := <-t.cuts:
		return t.begin(ctx, c)
	case b := <-t.in:
		if t.path != nil {
			return t.admit(ctx, b)
		}
		return t.take(ctx, b)
	case <-more:
		return t.advance(ctx)
	case <-grown:
		return t.advance(ctx)
	}
}

// take folds a batch, part by part, and saves where it is time to.
func (t *task) take(ctx context.Context, b timeline.Batch) error {
	if b.Err != nil && errors.Is(b.Err, timeline.ErrHole) {
		return b.Err
	}
	t.saw(max(b.End, b.Next))
	for len(b.Records) > maxPart {
		part := b
		part.Records, b.Records = b.Records[:maxPart], b.Records[maxPart:]
		part.Next = part.Records[maxPart-1].Offset + 1
		b.From = part.Next
		if err := t.round(ctx, part); err != nil {
			return err
		}
		if t.held != nil {
			t.held.Records = append(slices.Clip(t.held.Records), b.Records...)
			t.held.Next = b.Next
			return nil
		}
	}
	return t.round(ctx, b)
}

// round folds a part of a batch and saves where it is time to. What is folded between two saves is bounded by
// maxPart and maxDirty.
func (t *task) round(ctx context.Context, b timeline.Batch) error {
	if err := t.fold(ctx, b); err != nil {
		return err
	}
	caughtUp := len(t.in) == 0 && t.end.Load()-t.next < farBehind
	if caughtUp || t.held != nil || t.emission.full() || t.folder.Dirty() >= min(maxDirty, t.maxRows/2) || (!t.unsaved.IsZero() && time.Since(t.unsaved) >= maxUnsaved) {
		return t.save(ctx)
	}
	return nil
}

// saw notes an end of the source; ends only grow. It may be called concurrently.
func (t *task) saw(end int64) {
	for known := t.end.Load(); end > known; known = t.end.Load() {
		if t.end.CompareAndSwap(known, end) {
			return
		}
	}
}

// fold folds a batch, stopping on the way where a cut is wanted. Records that were folded before, which a
// reader may give again after a restart, are passed over.
func (t *task) fold(ctx context.Context, b timeline.Batch) error {
	if b.From > t.next && b.Next > t.next {
		return fmt.Errorf("%w: it was read from %d and folded to %d", timeline.ErrHole, b.From, t.next)
	}
	for i, rec := range b.Records {
		at, source := t.place(rec)
		if at < t.next {
			continue
		}
		if err := t.learn(ctx, rec); err != nil {
			return fmt.Errorf("record at offset %d: %w", rec.Offset, err)
		}
		if t.pending != nil && at >= t.pending.at {
			if err := t.finish(ctx); err != nil {
				return err
			}
		}
		if barred := t.emission.bar(source, rec.Offset); barred != nil {
			b.From, b.Records = at, b.Records[i:]
			t.held, t.barred = &b, barred
			t.move(rec, rec.Offset)
			t.waiting.Store(true)
			return nil
		}
		if err := t.folder.FoldAt(rec, at); err != nil {
			return fmt.Errorf("fold record at offset %d: %w", rec.Offset, err)
		}
		t.move(rec, rec.Offset+1)
		t.event = rec.Timestamp
		t.folded.Add(1)
	}
	if t.pending != nil && b.Next >= t.pending.at {
		if err := t.finish(ctx); err != nil {
			return err
		}
	}
	t.pass(b.Next)
	if t.unsaved.IsZero() {
		t.unsaved = time.Now()
	}
	return nil
}
