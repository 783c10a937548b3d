//go:build synctests

package engine_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/refold/refold/projections/engine"
)

// poison are the events that the fold fails at, by their numbers, in all processes alike. What is mended stays so.
type poison struct {
	mu  sync.Mutex
	bad map[int64]bool // guarded by mu; false where it is mended
}

// fails tells whether the fold of a row fails at an event, or would if it were not mended: that of the last row of the
// event alone, so that others were folded before.
func (p *poison) fails(key string, number int64) (now, ever bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now, ever = p.bad[number]
	its := (key == everyone) == ofEveryone(number)
	return its && now, its && ever
}

func (p *poison) add(number int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.bad[number] = true
}

// mend has the fold of some of the bad events fail no more.
func (p *poison) mend(some func(int64) bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, number := range slices.Sorted(maps.Keys(p.bad)) {
		if p.bad[number] && some(number) {
			p.bad[number] = false
		}
	}
}

// park appends some events, one of which the fold fails at.
func (w *world) park() {
	n := 1 + w.dice.upTo(4)
	w.poison.add(w.number + 1 + int64(w.dice.upTo(n)))
	w.append(n, kgo.TryCommit)
}

// retry folds a parked row again, whose event may have been mended meanwhile, or another.
func (w *world) retry() {
	w.poison.mend(func(int64) bool { return w.dice.upTo(2) == 0 })
	w.parked(func(ctx context.Context, p *process, row engine.ParkedRow) error {
		left, err := p.RetryParked(ctx, simulated, row, "tester", "")
		if err == nil && len(left) == 0 {
			w.counts["retried with success"]++
		}
		return err
	})
}

// discard leaves the event out that a row stands still before. Where several processes share the rows it does nothing:
// a row that goes on without an event may go back in position, and their writes are kept in order by it.
func (w *world) discard() {
	if len(w.processes) > 1 {
		return
	}
	w.parked(func(ctx context.Context, p *process, row engine.ParkedRow) error {
		_, err := p.DiscardParked(ctx, simulated, row, "tester", "it never was")
		if err == nil {
			w.counts["discarded"]++
		}
		return err
	})
}

// parked does something with a row that is parked, and makes one where there is none.
func (w *world) parked(do func(context.Context, *process, engine.ParkedRow) error) {
	w.on(func(ctx context.Context, _ *process) error {
		p, rows := w.standing()
		if len(rows) == 0 {
			w.park()
			wait(nil, time.Second)
			p, rows = w.standing()
		}
		if len(rows) == 0 {
			return nil
		}
		return do(ctx, p, rows[w.dice.upTo(len(rows))])
	})
}

// standing returns the rows that are parked in one process.
func (w *world) standing() (*process, []engine.ParkedRow) {
	for slot := range w.processes {
		p := w.at(slot)
		if p == nil || p.gone() {
			continue
		}
		if rows, err := p.Parked(simulated); err == nil && len(rows) > 0 {
			return p, rows
		}
	}
	return nil, nil
}

// unpark retries a row that is still parked though all is mended.
func (w *world) unpark() {
	p, rows := w.standing()
	if len(rows) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(w.Context(), 3*time.Second)
	defer cancel()
	_, err := p.RetryParked(ctx, simulated, rows[w.dice.upTo(len(rows))], "tester", "it is mended")
	if err != nil {
		fmt.Fprintf(w.log, "%s does not: %v\n", p.name, err)
		return
	}
	w.counts["retried with success"]++
}
