package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/refold/refold/projections/projection"
	"github.com/refold/refold/projections/store"
	"github.com/refold/refold/schemas/codec"
	"github.com/refold/refold/streams/cluster"
	"github.com/refold/refold/streams/timeline"
)

// ErrNotHere is wrapped where this process does not hold the task that is asked for. Ask another, or
// later.
var ErrNotHere = errors.New("the task is not held by this process")

// FollowerConfig says what a follower folds, and where to.
type FollowerConfig struct {
	Cluster    cluster.Cluster
	Codec      *codec.Codec
	Definition *projection.Definition
	Store      store.Store
	// MaxRows bounds the rows that each task keeps in memory; 50,000 where it is zero.
	MaxRows int
	Logger  *slog.Logger
}

// Follower folds the tasks of one generation that it is given. Its methods may be called concurrently.
type Follower struct {
	cfg    FollowerConfig
	reader *timeline.Reader
	rate   meter

	mu      sync.Mutex
	running context.Context   // guarded by mu; nil before Run
	tasks   map[int32]*worker // guarded by mu
}

// worker is a task with the goroutine that runs it.
type worker struct {
	*task
	cancel context.CancelFunc
	done   chan struct{}
}

// NewFollower returns a follower of nothing yet. Who calls it calls Run, and Close after it.
func NewFollower(cfg FollowerConfig) (*Follower, error) {
	if cfg.MaxRows == 0 {
		cfg.MaxRows = 50_000
	}
	reader, err := timeline.NewReader(cfg.Cluster, timeline.Config{})
	if err != nil {
		return nil, err
	}
	return &Follower{cfg: cfg, reader: reader, tasks: make(map[int32]*worker)}, nil
}

// Run folds until ctx ends. Every task has saved all that it folded when Run returns.
func (f *Follower) Run(ctx context.Context) error {
	f.mu.Lock()
	f.running = ctx
	for _, w := range f.tasks {
		f.start(w)
	}
	f.mu.Unlock()
	go f.measure(ctx)
	err := f.dispatch(ctx)
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, w := range f.tasks {
		<-w.done
	}
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// Close releases the follower's connections. Its store is closed by who opened it.
func (f *Follower) Close() { f.reader.Close() }

// Assign begins to fold partitions, each from its checkpoint.
func (f *Follower) Assign(partitions []int32) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, p := range partitions {
		if f.tasks[p] != nil {
			continue
		}
		t, err := newTask(p, f.cfg.Store, f.cfg.MaxRows, func(b projection.Base) projection.Folder {
			return f.cfg.Definition.NewFolder(f.cfg.Codec, b)
		})
		if err != nil {
			return fmt.Errorf("assign %s/%d: %w", f.cfg.Definition.Name, p, err)
		}
		w := &worker{task: t, done: make(chan struct{})}
		f.tasks[p] = w
		if f.running != nil {
			f.start(w)
		}
	}
	return nil
}

// start runs a task. The caller holds mu.
func (f *Follower) start(w *worker) {
	ctx, cancel := context.WithCancel(f.running)
	w.cancel = cancel
	f.reader.Add(f.cfg.Definition.Topic, w.partition, w.next)
	go func() {
		defer close(w.done)
		w.run(ctx)
	}()
}

// Revoke stops folding partitions and returns when everything folded of them is saved.
func (f *Follower) Revoke(partitions []int32) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, p := range partitions {
		w := f.tasks[p]
		if w == nil {
			continue
		}
		delete(f.tasks, p)
		f.reader.Remove(f.cfg.Definition.Topic, p)
		if w.cancel != nil {
			w.cancel()
			<-w.done
		}
	}
}

// dispatch hands what is read to the tasks.
func (f *Follower) dispatch(ctx context.Context) error {
	for {
		batches, err := f.reader.Poll(ctx)
		if err != nil {
			return fmt.Errorf("follow %s: %w", f.cfg.Definition.Name, err)
		}
		for _, b := range batches {
			if b.Err != nil {
				f.cfg.Logger.Warn("reading is disturbed", "projection", f.cfg.Definition.Name, "partition", b.Partition, "error", b.Err)
			}
			f.hand(ctx, b)
		}
	}
}

func (f *Follower) hand(ctx context.Context, b timeline.Batch) {
	f.mu.Lock()
	w := f.tasks[b.Partition]
	f.mu.Unlock()
	if w == nil {
		return
	}
	select {
	case w.in <- b:
	case <-w.done:
	case <-ctx.Done():
	}
}

func (f *Follower) task(partition int32) (*task, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	w := f.tasks[partition]
	if w == nil {
		return nil, fmt.Errorf("%s/%d: %w", f.cfg.Definition.Name, partition, ErrNotHere)
	}
	return w.task, nil
}

// Base returns the stored rows of a task.
func (f *Follower) Base(partition int32) projection.Base {
	return &base{store: f.cfg.Store, partition: partition}
}

// Position returns the offset up to which a task's rows are saved; 0 where it is not held here.
func (f *Follower) Position(partition int32) int64 {
	t, err := f.task(partition)
	if err != nil {
		return 0
	}
	saved, _ := t.state()
	return saved.Next
}

// Wait returns when everything below an offset is folded and saved, or the task stands still, or ctx
// ends.
func (f *Follower) Wait(ctx context.Context, partition int32, offset int64) error {
	t, err := f.task(partition)
	if err != nil {
		return err
	}
	return t.wait(ctx, offset)
}

// Progress is how far one task is.
type Progress struct {
	Partition int32
	// Next is the offset of the first record that is not folded and saved; End that of the source's end
	// as last seen.
	Next, End int64
	EventTime time.Time
	// Err is why the task stands still.
	Err error
}

// Lag returns how many records are not folded yet, markers of transactions included.
func (p Progress) Lag() int64 { return max(p.End-p.Next, 0) }

// Progress returns how far every task is, in order of partitions.
func (f *Follower) Progress() []Progress {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := make([]Progress, 0, len(f.tasks))
	for _, p := range slices.Sorted(maps.Keys(f.tasks)) {
		t := f.tasks[p].task
		saved, err := t.state()
		out = append(out, Progress{Partition: p, Next: saved.Next, End: t.end.Load(), EventTime: saved.EventTime, Err: err})
	}
	return out
}

// Rate returns the records folded per second over the last few seconds.
func (f *Follower) Rate() float64 { return f.rate.perSecond() }

// measure takes the rate, and looks where the source ends, until ctx ends. What is read tells the end, too,
// but not while nothing can be read.
func (f *Follower) measure(ctx context.Context) {
	ticker := time.NewTicker(500 * time.Millisecond)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-ticker.C:
			f.rate.note(now, f.folded())
			f.look(ctx)
		}
	}
}

func (f *Follower) look(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	ends, err := f.reader.Ends(ctx, f.cfg.Definition.Topic)
	if err != nil {
		f.cfg.Logger.Debug("the end of the source is not known", "projection", f.cfg.Definition.Name, "error", err)
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for p, w := range f.tasks {
		w.saw(ends[p])
	}
}

func (f *Follower) folded() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	var n int64
	for _, w := range f.tasks {
		n += w.task.folded.Load()
	}
	return n
}
