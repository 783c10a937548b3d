package engine

import (
	"context"
	"fmt"
	"time"

	"github.com/refold/refold/projections/store"
)

// What is here may be called by others than the goroutine of the task.

// behind returns for how long there has been a record that is not folded and saved; 0 where there is none.
// It counts from when the task was last at the end of its source, or, where that is longer ago than the
// last folded record was recorded, from that; and before the first, from when the task began.
func (t *task) behind(now time.Time) time.Duration {
	saved, _ := t.state()
	if saved.Next >= t.end.Load() {
		return 0
	}
	since := max(t.level.Load(), saved.EventTime.UnixMicro())
	if saved.EventTime.IsZero() {
		since = max(since, t.born.UnixMicro())
	}
	return max(now.Sub(time.UnixMicro(since)), 0)
}

// announce wakes those who wait for a change. The caller holds mu.
func (t *task) announce() {
	close(t.changed)
	t.changed = make(chan struct{})
}

func (t *task) stop(err error) {
	t.emission.stood()
	t.failed(err)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.err = err
	t.announce()
}

// state returns the saved checkpoint and why the task stands still, if it does.
func (t *task) state() (store.Checkpoint, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.saved, t.err
}

// wait returns when everything below an offset of the first source is saved, or the task stands still, or ctx ends.
func (t *task) wait(ctx context.Context, offset int64) error {
	for {
		t.mu.Lock()
		saved, err, changed := t.saved.First(), t.err, t.changed
		t.mu.Unlock()
		if saved >= offset {
			return nil
		}
		if err != nil {
			return err
		}
		select {
		case <-changed:
		case <-t.done:
			return fmt.Errorf("task %d ended: %w", t.partition, ErrNotHere)
		case <-ctx.Done():
			return fmt.Errorf("task %d is at %d, not yet at %d: %w", t.partition, saved, offset, ctx.Err())
		}
	}
}
