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
	running context.Context   // guarded by mu; nil before Run has found the logs
	logs    [][16]byte        // guarded by mu; the ids of the sources
	tasks   map[int32]*worker // guarded by mu

	runs sync.WaitGroup // of the tasks

	wake atomic.Pointer[context.CancelFunc] // ends the Poll under way
}

// worker is a task, and whether it runs and is read for.
type worker struct {
	*task
	rate   meter
	cancel context.CancelFunc // nil until it runs
	// reads are of each source. They are set and used by the dispatching goroutine, under Follower.mu.
	reads []intake
}

// NewFollower returns a follower of nothing yet. Who calls it calls Run, and Close after it.
func NewFollower(cfg FollowerConfig) (*Follower, error) {
	if cfg.MaxRows == 0 {
		cfg.MaxRows = 50_000
	}
	if len(cfg.Definition.Sources) > 1 && cfg.emission == nil {
		return nil, fmt.Errorf("follow %s: %v: several sources are folded by an engine, which logs their order", cfg.Definition.Name, cfg.Definition.Sources)
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
	logs, err := f.find(ctx)
	if err != nil {
		return f.ended(ctx, err)
	}
	f.mu.Lock()
	f.running, f.logs = ctx, logs
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

// find returns the ids of the sources, once the brokers can tell them.
func (f *Follower) find(ctx context.Context) (logs [][16]byte, err error) {
	for _, topic := range f.cfg.Definition.Sources {
		var log [16]byte
		err = patiently(ctx, func() error {
			bounded, cancel := context.WithTimeout(ctx, 5*time.Second)
			defer cancel()
			log, err = f.reader.LogID(bounded, topic)
			return err
		})
		if err != nil {
			return nil, err
		}
		logs = append(logs, log)
	}
	return logs, nil
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
	w := &worker{task: t, reads: []intake{{from: t.next}}}
	if t.path != nil {
		w.reads = nil
		for _, next := range t.path.each {
			w.reads = append(w.reads, intake{from: next})
		}
	}
	return w, nil
}

// config returns what the task of a partition is made of.
func (f *Follower) config(p int32) taskConfig {
	cfg := taskConfig{
		partition: p, store: f.cfg.Store, maxRows: f.cfg.MaxRows, learn: f.learner(),
		folder: func(b projection.Base) projection.Folder { return f.cfg.Definition.NewFolder(f.cfg.Codec, b) },
		failed: func(err error) {
			f.cfg.Logger.Error("a task stands still", "projection", f.cfg.Definition.Name, "partition", p, "error", err)
		},
		resumed: f.wakeUp, sources: f.cfg.Definition.Sources, clock: clockOf(f.cfg.Codec),
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
	logs := f.logs
	f.runs.Go(func() { w.run(ctx, logs...) })
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
		f.unread(p)
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

func (f *Follower) task(partition int32) (*task, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	w := f.tasks[partition]
	if w == nil {
		return nil, fmt.Errorf("%s/%d: %w", f.cfg.Definition.Name, partition, ErrNotHere)
	}
	return w.task, nil
}

// Base returns the saved rows of a task. Rows that its task has certainly not written are not looked for: Pebble reads a
// block of its lowest level for a key that is not there.
func (f *Follower) Base(partition int32) projection.Base { return savedRows{f, partition} }

type savedRows struct {
	follower  *Follower
	partition int32
}

// Load implements projection.Base.
func (s savedRows) Load(key []byte) ([]byte, error) {
	if t, err := s.follower.task(s.partition); err == nil && !t.base.mayHave(key) {
		return nil, nil
	}
	return s.follower.cfg.Store.Load(s.partition, key)
}

// Position returns the offset, of the first source, up to which a task's rows are saved; 0 where it is not held here.
func (f *Follower) Position(partition int32) int64 {
	t, err := f.task(partition)
	if err != nil {
		return 0
	}
	saved, _ := t.state()
	return saved.First()
}

// Wait returns when everything below an offset of the first source is folded and saved, or the task stands still, or ctx
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
