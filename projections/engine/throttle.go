package engine

import (
	"context"
	"sync"
	"time"

	"github.com/refold/refold/projections/acts"
	"github.com/refold/refold/projections/store"
)

// Gate lets records through to the tasks of a generation.
type Gate interface {
	// Wait returns when n more records may be folded, or ctx ends.
	Wait(ctx context.Context, n int) error
}

// Bounds of the control of a replay's rate.
const (
	// controlEvery is how often a rate is set anew.
	controlEvery = 200 * time.Millisecond
	// lagging is for how long there must have been a record that the live generation has not folded before
	// replays give way.
	lagging = 200 * time.Millisecond
	// floorRate is the rate in records per second below which no replay is pressed, beside twice what the live
	// generation folds: a replay that is slower than the log grows would never end.
	floorRate = 1_000
)

// throttle is the gate of one generation. Its rate falls by half where the live generation lags, and grows by
// steps where it does not: additive increase, multiplicative decrease, so that replays that share a machine
// come to share it evenly, and take all of it where nobody else wants it. A cap bounds it in any case, and
// where it is paused nothing passes.
//
// Source: D. Chiu and R. Jain, Analysis of the Increase and Decrease Algorithms for Congestion Avoidance, 1989.
type throttle struct {
	mu      sync.Mutex
	live    bool          // guarded by mu; the gate is open, whatever else is set
	paused  bool          // guarded by mu
	limit   int64         // guarded by mu; records per second at most, 0 for any number
	rate    float64       // guarded by mu; records per second that live traffic leaves, 0 for any number
	credit  float64       // guarded by mu; records that may pass; below zero where too many did
	at      time.Time     // guarded by mu; when credit was counted
	changed chan struct{} // guarded by mu; closed and replaced when what is set changes
}

func newThrottle(now time.Time) *throttle { return &throttle{at: now, changed: make(chan struct{})} }

// Wait implements Gate. More records than there is credit for pass together, and what follows waits the longer.
func (t *throttle) Wait(ctx context.Context, n int) error {
	for {
		pause, changed := t.take(time.Now(), n)
		if pause == 0 {
			return nil
		}
		var due <-chan time.Time
		if pause > 0 {
			due = time.After(pause)
		}
		select {
		case <-due:
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// take takes the credit for n records and returns 0, or how long it will take until there is some; that is less
// than zero where only a change can bring it.
func (t *throttle) take(now time.Time, n int) (time.Duration, <-chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	rate := t.effective()
	if t.live || rate == 0 && !t.paused {
		t.credit, t.at = 0, now
		return 0, nil
	}
	if t.paused {
		t.at = now
		return -1, t.changed
	}
	// What was not used within a control interval is lost, so that no rest is followed by a rush.
	t.credit = min(t.credit+rate*now.Sub(t.at).Seconds(), rate*controlEvery.Seconds())
	t.at = now
	if t.credit <= 0 {
		return max(time.Duration(-t.credit/rate*float64(time.Second)), time.Millisecond), t.changed
	}
	t.credit -= float64(n)
	return 0, nil
}

// effective is the rate that counts, 0 where there is none. The caller holds mu.
func (t *throttle) effective() float64 {
	if t.limit > 0 && (t.rate == 0 || t.rate > float64(t.limit)) {
		return float64(t.limit)
	}
	return t.rate
}

// set takes over what was decided.
func (t *throttle) set(live bool, g acts.Generation) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.live == live && t.paused == (g.Paused != nil) && t.limit == g.MaxRate {
		return
	}
	t.live, t.paused, t.limit = live, g.Paused != nil, g.MaxRate
	t.announce()
}

// announce wakes those who wait. The caller holds mu.
func (t *throttle) announce() {
	close(t.changed)
	t.changed = make(chan struct{})
}

// control sets the rate anew: own is what the generation folds now, floor what it may fold in any case.
func (t *throttle) control(yield bool, own, floor float64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	was := t.rate
	switch {
	case yield && was == 0:
		t.rate = max(own/2, floor)
	case yield:
		t.rate = max(was/2, floor)
	case was == 0:
	case was > 4*max(own, floor):
		t.rate = 0 // it does not use what it is given
	default:
		t.rate = was + max(floor/2, was/20)
	}
	if t.rate != was {
		t.announce()
	}
}

// throttleAll has replays give way to live traffic until ctx ends.
func (e *Engine) throttleAll(ctx context.Context) {
	ticker := time.NewTicker(controlEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		state, _ := e.cfg.Acts.State()
		yield, rate := false, 0.0
		followers := make(map[store.Generation]*running)
		e.mu.Lock()
		for id, r := range e.running {
			if state.Projection(id.Projection).Live != id.Number {
				followers[id] = r
				continue
			}
			rate += r.Rate()
			yield = yield || r.lags()
		}
		e.mu.Unlock()
		for _, r := range followers {
			r.gate.control(yield, r.Rate(), floorRate+2*rate)
		}
	}
}

// lags tells whether records wait for a generation that could fold them.
func (r *running) lags() bool {
	for _, p := range r.Progress() {
		if p.Err == nil && p.Lag() > 0 && p.Behind > lagging {
			return true
		}
	}
	return false
}
