package journal

import (
	"context"
	"sync"
	"time"
)

// pace keeps the beginnings of transactions apart.
type pace struct {
	every time.Duration

	mu   sync.Mutex
	next time.Time // when the next one may begin; guarded by mu
}

// wait waits for the caller's turn, or until ctx ends, which it tells.
func (p *pace) wait(ctx context.Context) bool {
	left := time.Until(p.take(time.Now()))
	if left <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(left)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// take returns when whoever asks now may begin.
func (p *pace) take(now time.Time) time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	at := p.next
	if at.Before(now) {
		at = now
	}
	p.next = at.Add(p.every)
	return at
}
