package engine

import (
	"context"
	"time"
)

// hold is step while others must release first.
func (t *task) hold(ctx context.Context, due <-chan time.Time) error {
	select {
	case <-ctx.Done():
		return nil
	case <-due:
		return t.save(ctx)
	case c := <-t.cuts:
		return t.begin(ctx, c)
	case t.dropped <- struct{}{}:
		return nil
	case <-t.barred:
	}
	b := *t.held
	t.held, t.barred = nil, nil
	if err := t.take(ctx, b); err != nil || t.held != nil {
		return err
	}
	t.waiting.Store(false)
	t.resumed()
	if t.path != nil {
		t.path.nudge()
	}
	return nil
}
