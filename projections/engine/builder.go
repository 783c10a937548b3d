package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"time"

	"github.com/refold/refold/streams/cluster"
	"github.com/refold/refold/streams/position"
	"github.com/refold/refold/streams/timeline"
)

// Bounds of building.
const (
	// builtRows is how many changed rows all tasks together that are being built may keep in memory, and
	// builtRecords how many records a task folds between two saves at most: so many are folded again after a
	// crash.
	builtRows    = 600_000
	builtRecords = 4_000_000
)

// Builder folds tasks that have nothing yet, up to where their source ends. It goes through one partition after
// the other, a few at a time: a partition is read once for all tasks that want it, its rows fit into memory, none
// of them is read, and they are written once, as a table that the store takes whole.
//
// What it makes is what rounds make, and a task that is built goes on in rounds. Its methods may be called
// concurrently.
type Builder struct {
	logger  *slog.Logger
	rows    int   // builtRows
	records int64 // builtRecords
	// slots are the passes that may be under way, each with what it reads by.
	slots  chan *timeline.Picker
	passes sync.WaitGroup

	mu      sync.Mutex
	waiting map[source]*pass // guarded by mu; passes that have not begun
}

// source is a partition of a log.
type source struct {
	position.Partition
	log [16]byte
}

// pass is one reading of a partition for some tasks.
type pass struct {
	source
	builds []*build // guarded by Builder.mu until the pass begins
	begun  bool     // guarded by Builder.mu
}

// build is the building of one task.
type build struct {
	*task
	ctx     context.Context
	gate    Gate
	records int64         // that it may fold between two saves
	over    bool          // the pass has no more to do with it than to end it
	problem error         // why, where it cannot go on
	done    chan struct{} // closed when it is ended
	err     error         // set before done is closed
}

// NewBuilder returns a builder of nothing yet. The caller closes it when no follower uses it any more.
func NewBuilder(c cluster.Cluster, logger *slog.Logger) (*Builder, error) {
	b := &Builder{
		logger: logger, rows: builtRows, records: builtRecords,
		slots: make(chan *timeline.Picker, runtime.GOMAXPROCS(0)), waiting: make(map[source]*pass),
	}
	var problem error
	for range cap(b.slots) {
		picker, err := timeline.NewPicker(c)
		problem = errors.Join(problem, err)
		b.slots <- picker
	}
	if problem != nil {
		b.Close()
		return nil, problem
	}
	return b, nil
}

// Close ends the builder's connections. Nothing must be being built.
func (b *Builder) Close() {
	b.passes.Wait()
	for range cap(b.slots) {
		if picker := <-b.slots; picker != nil {
			picker.Close()
		}
	}
}

// closeBuilder closes the engine's builder, if it has one.
func (e *Engine) closeBuilder() {
	if b, unmade := e.builder(); unmade == nil {
		b.Close()
	}
}

// build folds a task from its beginning to where the source ends, and saves it. It fails where the task cannot
// go on, and returns early where ctx ends. Where reading fails otherwise, or the gate is closed, it gives up, and
// the task goes on from where it is. A nil gate is open.
func (b *Builder) build(ctx context.Context, t *task, at position.Partition, gate Gate) error {
	one := &build{task: t, ctx: ctx, gate: gate, done: make(chan struct{})}
	p := b.join(source{at, t.log}, one)
	stop := context.AfterFunc(ctx, func() { b.leave(p, one) })
	defer stop()
	<-one.done
	return one.err
}

// join adds a task to the pass that waits for its partition, which is begun where there is none.
func (b *Builder) join(s source, one *build) *pass {
	b.mu.Lock()
	defer b.mu.Unlock()
	p := b.waiting[s]
	if p == nil {
		p = &pass{source: s}
		b.waiting[s] = p
		b.passes.Go(func() { b.run(p) })
	}
	p.builds = append(p.builds, one)
	return p
}

// leave ends a build that has not begun. One that has is ended by its pass, which may be folding it.
func (b *Builder) leave(p *pass, one *build) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if p.begun {
		return
	}
	for i := range p.builds {
		if p.builds[i] == one {
			p.builds = append(p.builds[:i], p.builds[i+1:]...)
			close(one.done)
			return
		}
	}
}

// begin takes a pass from those that wait.
func (b *Builder) begin(p *pass) []*build {
	b.mu.Lock()
	defer b.mu.Unlock()
	p.begun = true
	delete(b.waiting, p.source)
	return p.builds
}

// run waits for a slot and makes the pass. It ends soon when nobody wants it any more.
func (b *Builder) run(p *pass) {
	picker := <-b.slots
	defer func() { b.slots <- picker }()
	builds := b.begin(p)
	if len(builds) == 0 {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	c := newCrew(builds, max(1, b.rows/cap(b.slots)/len(builds)), b.records)
	_, err := picker.Sweep(ctx, p.Partition, p.log, 0, c.take)
	if err != nil && !errors.Is(err, errUnwanted) {
		b.logger.Warn("building gives up and leaves the rest to following", "partition", p.Partition, "error", err)
	}
	for _, one := range c.builds {
		one.end(nil)
	}
}

// admission is how long a pass waits for the gate of one task. Others that are built with it wait as long, so a
// task that is held back for longer, or paused, goes on by following.
const admission = time.Second

// admitted waits until so many records may be folded, and tells whether they may.
func (b *build) admitted(n int) bool {
	if b.gate == nil {
		return b.ctx.Err() == nil
	}
	ctx, cancel := context.WithTimeout(b.ctx, admission)
	defer cancel()
	return b.gate.Wait(ctx, n) == nil && b.ctx.Err() == nil
}

// end saves the task, unless it cannot go on, and gives it back.
func (b *build) end(err error) {
	defer close(b.done)
	// From here on a row that is not in memory is looked for in the store, which knows best what it has.
	b.base.written.Store(nil)
	if err == nil {
		err = b.save(b.ctx)
	}
	b.room = 0
	if b.ctx.Err() == nil {
		b.err = err
	}
	// What it takes to follow is little: nothing of what was built stays in memory.
	b.base.forgetful = true
	b.folder.Shrink()
	b.folder.Shrink()
	if b.err != nil {
		b.err = fmt.Errorf("build task %d: %w", b.partition, b.err)
	}
}
