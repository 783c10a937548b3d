//go:build synctests

package engine_test

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/refold/refold/projections/engine"
	"github.com/refold/refold/streams/topic"
)

// step is one thing that may be done.
type step struct {
	name   string
	weight int
	do     func(w *world)
}

// steps are all that may be done.
func steps() []step {
	return []step{
		{"append", 6, func(w *world) { w.append(1+w.dice.upTo(8), kgo.TryCommit) }},
		{"abort", 1, func(w *world) { w.append(1+w.dice.upTo(8), kgo.TryAbort) }},
		{"crash", 1, func(w *world) { w.crash(w.dice.upTo(len(w.processes))) }},
		{"crash in a save", 4, (*world).doom},
		{"leave", 1, func(w *world) { w.leave(w.dice.upTo(len(w.processes))) }},
		{"stand still", 3, (*world).standStill},
		{"cut", 1, func(w *world) { w.on(func(_ context.Context, p *process) error { p.link.Cut(); return nil }) }},
		{"refuse", 2, (*world).refuse},
		{"read again", 1, func(w *world) { w.outage(func(of taskOf) { w.shelf.rewind(of, w.dice.upTo) }) }},
		{"lose rows", 1, func(w *world) { w.outage(w.shelf.lose) }},
		{"replay", 3, (*world).replay},
		{"promote", 4, (*world).promote},
		{"roll back", 2, (*world).rollBack},
		{"cancel", 1, (*world).cancel},
		{"park", 4, (*world).park},
		{"retry", 3, (*world).retry},
		{"discard", 2, (*world).discard},
	}
}

func (w *world) step() step {
	all, sum := steps(), 0
	for _, s := range all {
		sum += s.weight
	}
	at := w.dice.upTo(sum)
	for _, s := range all {
		if at -= s.weight; at < 0 {
			return s
		}
	}
	panic("no step")
}

// tend buries processes that have ended, and starts what does not run, most of the time.
func (w *world) tend() {
	for slot := range w.processes {
		if p := w.at(slot); p != nil && p.gone() {
			w.crash(slot)
		}
		if w.at(slot) == nil && w.dice.upTo(3) > 0 {
			w.start(slot)
		}
	}
}

// doom lets a process crash in the middle of one of its next writes, while there is something to write.
func (w *world) doom() {
	if p := w.some(); p != nil {
		p.desk.left.Store(int64(1 + w.dice.upTo(5)))
		w.append(1+w.dice.upTo(4), kgo.TryCommit)
		wait(p.desk.gone, time.Duration(w.dice.upTo(1500))*time.Millisecond)
	}
}

// standStill lets a process stand still for a while, often for longer than its session and its transaction. What
// was under way arrives then.
func (w *world) standStill() {
	p := w.some()
	if p == nil {
		return
	}
	w.append(1+w.dice.upTo(4), kgo.TryCommit)
	wait(nil, time.Duration(w.dice.upTo(8))*time.Millisecond)
	p.link.Freeze()
	long := []time.Duration{time.Second, 7 * time.Second, 12 * time.Second, 30 * time.Second}[w.dice.upTo(4)]
	w.going.Go(func() {
		wait(nil, long)
		p.link.Thaw()
	})
	if other := w.dice.upTo(len(w.processes)); w.at(other) == nil {
		w.start(other) // the partitions are shared out without who stands still
	}
	wait(nil, time.Duration(w.dice.upTo(2))*time.Second)
}

// refuse has the broker refuse what is asked of it to publish effects.
func (w *world) refuse() {
	faults := []kfake.Fault{
		{Keys: []kmsg.Key{kmsg.EndTxn}, Err: kerr.RequestTimedOut}, {Keys: []kmsg.Key{kmsg.EndTxn}, Err: kerr.UnknownServerError},
		{Keys: []kmsg.Key{kmsg.TxnOffsetCommit}, Err: kerr.IllegalGeneration}, {Keys: []kmsg.Key{kmsg.TxnOffsetCommit}, Err: kerr.RequestTimedOut},
		{Keys: []kmsg.Key{kmsg.Produce}, Topic: topic.Notifications, Err: kerr.InvalidTxnState},
	}
	f := faults[w.dice.upTo(len(faults))]
	f.Count = 1 + w.dice.upTo(3)
	f.When = func(req kmsg.Request) bool {
		end, ok := req.(*kmsg.EndTxnRequest)
		return !ok || end.TransactionalID != writer
	}
	handle := w.kafka.Fault(f)
	w.append(1+w.dice.upTo(4), kgo.TryCommit)
	wait(nil, time.Second)
	handle.Remove()
}

// outage crashes everything, changes some tasks, and starts everything again.
func (w *world) outage(change func(taskOf)) {
	for slot := range w.processes {
		w.crash(slot)
	}
	for _, of := range w.shelf.all() {
		if w.dice.upTo(2) == 0 {
			w.reader.lost(of, change)
		}
	}
	for slot := range w.processes {
		w.start(slot)
	}
}

// on does something with a process that runs. What fails may have been done.
func (w *world) on(do func(ctx context.Context, p *process) error) {
	p := w.some()
	if p == nil {
		return
	}
	ctx, cancel := context.WithTimeout(w.Context(), 3*time.Second)
	defer cancel()
	if err := do(ctx, p); err != nil {
		fmt.Fprintf(w.log, "%s does not: %v\n", p.name, err)
	}
}

func (w *world) replay() {
	w.on(func(ctx context.Context, p *process) error {
		_, err := p.Start(ctx, simulated, "tester", "")
		return err
	})
}

// beside does something with a generation that is not live, of which one is begun where there is none.
func (w *world) beside(do func(ctx context.Context, p *process, operation string) error) {
	w.on(func(ctx context.Context, p *process) error {
		state, _ := p.acts.State()
		var all []string
		live := state.Projection(simulated).Live
		for _, g := range state.Projection(simulated).Generations {
			if !g.Cancelled && g.Number != live {
				all = append(all, engine.Operation(simulated, g.Number))
			}
		}
		if len(all) == 0 {
			begun, err := p.Start(ctx, simulated, "tester", "")
			if err != nil {
				return err
			}
			all = append(all, begun)
		}
		return do(ctx, p, all[w.dice.upTo(len(all))])
	})
}

// promote promotes a generation among events, whatever it is, or when it is verified.
func (w *world) promote() {
	w.beside(func(ctx context.Context, p *process, op string) error {
		w.append(1+w.dice.upTo(4), kgo.TryCommit)
		defer w.append(1+w.dice.upTo(4), kgo.TryCommit)
		if w.dice.upTo(2) == 0 {
			return w.promoted("promoted by force", p.Promote(ctx, op, "tester", "whatever it is", true))
		}
		wait(nil, 2*time.Second)
		return w.promoted("promoted when verified", p.Promote(ctx, op, "tester", "", false))
	})
}

// promoted counts what came of it.
func (w *world) promoted(what string, err error) error {
	if err == nil {
		w.counts[what]++
	}
	return err
}

func (w *world) rollBack() {
	w.on(func(ctx context.Context, p *process) error {
		state, _ := p.acts.State()
		return p.Rollback(ctx, engine.Operation(simulated, state.Projection(simulated).Live), "tester", "")
	})
}

func (w *world) cancel() {
	w.beside(func(ctx context.Context, p *process, op string) error { return p.Cancel(ctx, op, "tester", "") })
}
