package engine

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/refold/refold/projections/acts"
	"github.com/refold/refold/schemas/event"
)

// gateAt is a throttle with a clock that a test moves.
type gateAt struct {
	*throttle
	now time.Time
}

func newGate() *gateAt {
	now := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)
	return &gateAt{newThrottle(now), now}
}

// pass returns how many records pass in a time, offered 100 by 100.
func (g *gateAt) pass(d time.Duration) (n int) {
	for end := g.now.Add(d); g.now.Before(end); {
		pause, _ := g.take(g.now, 100)
		switch {
		case pause == 0:
			n += 100
		case pause < 0:
			return n
		default:
			g.now = g.now.Add(pause)
		}
		if n > 1e6 {
			return n
		}
	}
	return n
}

func TestThrottleKeepsTheCap(t *testing.T) {
	g := newGate()
	if n := g.pass(time.Second); n < 1e6 {
		t.Errorf("without a cap %d records passed", n)
	}
	g.set(false, acts.Generation{MaxRate: 1000})
	if n := g.pass(10 * time.Second); n < 9_500 || n > 10_500 {
		t.Errorf("with a cap of 1000/s %d records passed in 10 s", n)
	}
	g.now = g.now.Add(time.Hour)
	if n := g.pass(time.Second); n > 1_400 {
		t.Errorf("after an hour of rest %d records passed in a second", n)
	}
	g.set(true, acts.Generation{MaxRate: 1000})
	if n := g.pass(time.Second); n < 1e6 {
		t.Errorf("of the live generation %d records passed", n)
	}
}

// The rate falls while live traffic lags, to the floor and not below, and grows again until nothing bounds it.
func TestThrottleYields(t *testing.T) {
	g := newGate()
	g.control(false, 100_000, 2_000)
	if g.rate != 0 {
		t.Fatalf("got rate %v without a reason", g.rate)
	}
	last := 100_000.0
	for range 10 {
		g.control(true, 100_000, 2_000)
		if g.rate > max(last/2, 2_000) || g.rate < 2_000 {
			t.Errorf("got rate %v after %v", g.rate, last)
		}
		last = g.rate
	}
	if n := g.pass(10 * time.Second); n < 19_000 || n > 21_000 {
		t.Errorf("at the floor %d records passed in 10 s, want 20,000", n)
	}
	for range 1000 {
		if g.control(false, min(g.rate, 50_000), 2_000); g.rate == 0 {
			return
		}
		if g.rate <= last {
			t.Fatalf("got rate %v after %v", g.rate, last)
		}
		last = g.rate
	}
	t.Errorf("the rate is %v still", g.rate)
}

// A cap counts though traffic would leave more, and also where it is below the floor.
func TestCapCountsBelowTheFloor(t *testing.T) {
	g := newGate()
	g.set(false, acts.Generation{MaxRate: 100})
	g.control(true, 100_000, 2_000)
	if n := g.pass(10 * time.Second); n < 900 || n > 1_100 {
		t.Errorf("%d records passed in 10 s, want 1,000", n)
	}
}

func TestPausedGatePassesNothing(t *testing.T) {
	g := newGate()
	g.set(false, acts.Generation{Paused: &event.ActRecorded{}})
	ctx, cancel := context.WithCancel(t.Context())
	waited := make(chan error, 2)
	go func() { waited <- g.Wait(ctx, 1) }()
	if n := g.pass(time.Second); n != 0 {
		t.Errorf("%d records passed", n)
	}
	cancel()
	if err := <-waited; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want that it was waited until the end", err)
	}
	go func() { waited <- g.Wait(t.Context(), 1) }()
	g.set(false, acts.Generation{})
	if err := <-waited; err != nil {
		t.Errorf("got %v after it was resumed", err)
	}
}
