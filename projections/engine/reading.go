package engine

import (
	"context"
	"errors"
	"slices"

	"github.com/refold/refold/streams/timeline"
)

// intake is how a source of a task is read.
type intake struct {
	on   bool
	from int64 // where it begins, or goes on
}

// full tells whether enough of a source waits in the task. It may be called concurrently.
func (t *task) full(source int) bool { return t.path != nil && t.path.merger.full(source) }

// savedOf returns up to where a source is saved.
func (t *task) savedOf(source int) int64 {
	saved, _ := t.state()
	if t.path == nil {
		return saved.Next
	}
	if len(saved.Sources) == 0 {
		return 0
	}
	return saved.Sources[source].Next
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
		if w.cancel == nil || w.waiting.Load() {
			continue
		}
		for i, topic := range f.cfg.Definition.Sources {
			if r := &w.reads[i]; !r.on && !w.full(i) {
				r.on = true
				r.from = max(r.from, w.savedOf(i)) // it may have been built meanwhile
				f.reader.Add(topic, p, r.from)
			}
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

// hand gives a batch to its task.
func (f *Follower) hand(ctx context.Context, b timeline.Batch) {
	source := slices.Index(f.cfg.Definition.Sources, b.Topic)
	f.mu.Lock()
	w := f.tasks[b.Partition]
	if w != nil && !w.reads[source].on {
		w = nil
	}
	f.mu.Unlock()
	if w == nil {
		return
	}
	if w.full(source) {
		f.leave(w, source, b)
		return
	}
	if f.cfg.Gate != nil && f.cfg.Gate.Wait(ctx, len(b.Records)) != nil {
		return // ctx has ended
	}
	select {
	case w.in <- b:
	case <-w.dropped:
		// The task waits for another one, which may wait for what is read next.
		f.leave(w, source, b)
	case <-w.done:
	case <-ctx.Done():
	}
}

// leave leaves a batch, to be read again when its task can take it.
func (f *Follower) leave(w *worker, source int, b timeline.Batch) {
	f.mu.Lock()
	defer f.mu.Unlock()
	w.reads[source] = intake{from: b.From}
	f.reader.Remove(b.Topic, b.Partition)
}

// unread ends the reading of a partition of all sources.
func (f *Follower) unread(partition int32) {
	for _, topic := range f.cfg.Definition.Sources {
		f.reader.Remove(topic, partition)
	}
}
