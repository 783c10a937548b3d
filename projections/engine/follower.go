package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/refold/refold/projections/acts"
	"github.com/refold/refold/projections/projection"
	"github.com/refold/refold/projections/store"
	"github.com/refold/refold/schemas/codec"
	"github.com/refold/refold/streams/cluster"
	"github.com/refold/refold/streams/position"
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
	// Gate says when what was read may be folded; at once where it is nil.
	Gate   Gate
	Logger *slog.Logger
	// Builder folds the tasks that have nothing yet; nil where they are folded as they follow.
	Builder *Builder

	// Parks says that a row whose fold fails is parked and all others go on. Otherwise its task stands still.
	Parks bool

	// emission makes what takes the effects of a task; nil where they go nowhere.
	emission func(partition int32, c store.Checkpoint) *emission
	// rowActs and refold are as in a task.
	rowActs func() ([]acts.RowAct, <-chan struct{})
	refold  func(context.Context, refolding) ([]byte, error)
}

// Follower folds the tasks of one generation that it is given. Its methods may be called concurrently.
type Follower struct {
	cfg    FollowerConfig
	reader *timeline.Reader
	rate   meter

	mu      sync.Mutex
	running context.Context   // guarded by mu; nil before Run has found the log
	log     [16]byte          // guarded by mu; the id of the source
	tasks   map[int32]*worker // guarded by mu

	runs sync.WaitGroup // of the tasks

	wake atomic.Pointer[context.CancelFunc] // ends the Poll under way
}

// worker is a task, and whether it runs and is read for.
type worker struct {
	*task
	rate   meter
	cancel context.CancelFunc // nil until it runs
	read   bool               // set and used by the dispatching goroutine, under Follower.mu
	from   int64              // where reading begins, or goes on; guarded as read is
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

// Run folds until ctx ends. Every task has saved all that it folded when Run returns; where one could not,
// Run says so.
func (f *Follower) Run(ctx context.Context) error {
	log, err := f.find(ctx)
	if err != nil {
		return f.ended(ctx, err)
	}
	f.mu.Lock()
	f.running, f.log = ctx, log
	for _, w := range f.tasks {
		f.start(w)
	}
	f.mu.Unlock()
	measured := make(chan struct{})
	go func() {
		defer close(measured)
		f.measure(ctx)
	}()
	err = f.dispatch(ctx)
	<-measured
	return errors.Join(f.ended(ctx, err), f.join())
}

// ended is what Run returns for an error: that it was told to end is none.
func (f *Follower) ended(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return fmt.Errorf("follow %s: %w", f.cfg.Definition.Name, err)
}

// find returns the id of the source, once the brokers can tell it.
func (f *Follower) find(ctx context.Context) (log [16]byte, err error) {
	err = patiently(ctx, func() error {
		bounded, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		log, err = f.reader.LogID(bounded, f.cfg.Definition.Topic)
		return err
	})
	return log, err
}

// patiently calls fn until it succeeds or ctx ends, with growing pauses of a second at most.
func patiently(ctx context.Context, fn func() error) error {
	for pause := 10 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		err := fn()
		if err == nil {
			return nil
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		}
	}
}

// join waits for the tasks to end, and returns what they could not save.
func (f *Follower) join() error {
	f.runs.Wait()
	f.mu.Lock()
	tasks := maps.Clone(f.tasks)
	f.mu.Unlock()
	var problems []error
	for p, w := range tasks {
		if _, err := w.state(); err != nil {
			problems = append(problems, fmt.Errorf("%s/%d: %w", f.cfg.Definition.Name, p, err))
		}
	}
	return errors.Join(problems...)
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
		w, err := f.newWorker(p, f.config(p))
		if err != nil {
			return err
		}
		f.tasks[p] = w
		if f.running != nil {
			f.start(w)
		}
	}
	return nil
}

func (f *Follower) newWorker(partition int32, cfg taskConfig) (*worker, error) {
	t, err := newTask(cfg)
	if err != nil {
		return nil, fmt.Errorf("assign %s/%d: %w", f.cfg.Definition.Name, partition, err)
	}
	return &worker{task: t, from: t.next}, nil
}

// config returns what the task of a partition is made of.
func (f *Follower) config(p int32) taskConfig {
	cfg := taskConfig{
		partition: p, store: f.cfg.Store, maxRows: f.cfg.MaxRows, learn: f.learner(),
		folder: func(b projection.Base) projection.Folder { return f.cfg.Definition.NewFolder(f.cfg.Codec, b) },
		failed: func(err error) {
			f.cfg.Logger.Error("a task stands still", "projection", f.cfg.Definition.Name, "partition", p, "error", err)
		},
		resumed: f.wakeUp,
	}
	if f.cfg.Parks {
		cfg.replace, cfg.acts, cfg.refold = f.replace, f.cfg.rowActs, f.cfg.refold
	}
	if f.cfg.emission != nil {
		cfg.emission = func(c store.Checkpoint) *emission { return f.cfg.emission(p, c) }
	}
	if f.cfg.Builder != nil && f.cfg.emission == nil { // effects are for rounds
		at := position.Partition{Topic: f.cfg.Definition.Topic, Partition: p}
		cfg.build = func(ctx context.Context, t *task) error { return f.cfg.Builder.build(ctx, t, at, f.cfg.Gate) }
	}
	return cfg
}

// learner returns a function that makes sure that the schema of a record is known. A registry that cannot
// be asked is waited for: that is no fault of the record.
func (f *Follower) learner() func(context.Context, *timeline.Record) error {
	last := -1
	return func(ctx context.Context, rec *timeline.Record) error {
		id, err := codec.SchemaID(rec.Value)
		if err != nil || id == last {
			return err
		}
		err = patiently(ctx, func() error {
			_, problem := f.cfg.Codec.ByID(ctx, id)
			if errors.Is(problem, codec.ErrRegistry) {
				f.cfg.Logger.Warn("the registry is waited for", "projection", f.cfg.Definition.Name, "schema", id, "error", problem)
				return problem
			}
			err = problem
			return nil
		})
		if err == nil {
			last = id
		}
		return err
	}
}

// start runs a task, and has the dispatching goroutine read for it. The caller holds mu.
func (f *Follower) start(w *worker) {
	ctx, cancel := context.WithCancel(f.running)
	w.cancel = cancel
	log := f.log
	f.runs.Go(func() { w.run(ctx, log) })
	f.wakeUp()
}

// Revoke stops folding partitions and returns when everything folded of them is saved.
func (f *Follower) Revoke(partitions []int32) {
	var ending []*worker
	f.mu.Lock()
	for _, p := range partitions {
		w := f.tasks[p]
		if w == nil {
			continue
		}
		delete(f.tasks, p)
		f.reader.Remove(f.cfg.Definition.Topic, p)
		if w.cancel != nil {
			w.cancel()
			ending = append(ending, w)
		}
	}
	f.mu.Unlock()
	// What a task still has to release may take a while, in which others ask how far the rest is.
	for _, w := range ending {
		<-w.done
	}
}

// dispatch hands what is read to the tasks. It alone adds partitions to the reader, between Polls: a batch
// of before a partition was revoked and assigned again must not reach its new task, which is behind it.
func (f *Follower) dispatch(ctx context.Context) error {
	for {
		batches, err := f.reader.Poll(f.begin(ctx))
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil && !errors.Is(err, context.Canceled) {
			return err
		}
		for _, b := range batches {
			if b.Err != nil {
				f.cfg.Logger.Warn("reading is disturbed", "projection", f.cfg.Definition.Name, "partition", b.Partition, "error", b.Err)
			}
			f.hand(ctx, b)
		}
	}
}

// begin adds to the reader what has been assigned, and returns a context for the next Poll that ends when
// there is more to add.
func (f *Follower) begin(ctx context.Context) context.Context {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.wakeUp()
	// What is assigned or can go on from here on ends this Poll.
	ctx, wake := context.WithCancel(ctx)
	f.wake.Store(&wake)
	for p, w := range f.tasks {
		if w.cancel != nil && !w.read && !w.waiting.Load() {
			w.read = true
			saved, _ := w.state()
			w.from = max(w.from, saved.Next) // it may have been built meanwhile
			f.reader.Add(f.cfg.Definition.Topic, p, w.from)
		}
	}
	return ctx
}

// wakeUp has the dispatching goroutine look what there is to be read.
func (f *Follower) wakeUp() {
	if wake := f.wake.Load(); wake != nil {
		(*wake)()
	}
}

func (f *Follower) hand(ctx context.Context, b timeline.Batch) {
	f.mu.Lock()
	w := f.tasks[b.Partition]
	if w != nil && !w.read {
		w = nil
	}
	f.mu.Unlock()
	if w == nil {
		return
	}
	if f.cfg.Gate != nil && f.cfg.Gate.Wait(ctx, len(b.Records)) != nil {
		return // ctx has ended
	}
	select {
	case w.in <- b:
	case <-w.dropped:
		// The task waits for another one, which may wait for what is read next. It is read for again later.
		f.mu.Lock()
		defer f.mu.Unlock()
		w.read, w.from = false, b.From
		f.reader.Remove(f.cfg.Definition.Topic, b.Partition)
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
	_, err := f.reach(ctx, partition, offset)
	return err
}

// reach is Wait, and returns the task. One that was replaced meanwhile is waited for in its successor.
func (f *Follower) reach(ctx context.Context, partition int32, offset int64) (*task, error) {
	t, err := f.task(partition)
	for err == nil {
		if err = t.wait(ctx, offset); !errors.Is(err, ErrNotHere) {
			return t, err
		}
		before := t
		if t, err = f.task(partition); t == before {
			return nil, fmt.Errorf("%s/%d: %w", f.cfg.Definition.Name, partition, ErrNotHere)
		}
	}
	return nil, err
}
