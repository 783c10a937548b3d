package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/refold/refold/projections/store"
)

// errPassed is returned where a task has folded beyond the position that it should stop at.
var errPassed = errors.New("the task is beyond the position")

// cut asks a task to stop at a position and to give the store as it is there.
type cut struct {
	// at is the position; -1 is where the task happens to be. Each is where that is in several sources.
	at    int64
	each  vector
	reply chan<- cutResult
}

type cutResult struct {
	snapshot store.Snapshot
	at       int64
	each     vector
	err      error
}

// cutAt asks the task to stop at a position, -1 for where it is, and returns the store as it is there.
func (t *task) cutAt(ctx context.Context, at int64, each vector) cutResult {
	reply := make(chan cutResult, 1)
	select {
	case t.cuts <- cut{at: at, each: each, reply: reply}:
	case <-t.done:
		return cutResult{err: fmt.Errorf("cut task %d: %w", t.partition, ErrNotHere)}
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

// begin takes a cut: at once where the task is there, later where it is not yet.
func (t *task) begin(ctx context.Context, c cut) error {
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
		c.at, c.each = t.next, t.here()
	}
	if c.at == t.next {
		return t.finish(ctx)
	}
	return nil
}

// finish saves at the position of the pending cut and answers it.
func (t *task) finish(ctx context.Context) error {
	c := t.pending
	t.pending = nil
	t.next = c.at
	t.stand(c.each)
	if err := t.save(ctx); err != nil {
		c.reply <- cutResult{err: err}
		return err
	}
	snapshot, err := t.store.Snapshot()
	c.reply <- cutResult{snapshot: snapshot, at: c.at, each: t.here(), err: err}
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
