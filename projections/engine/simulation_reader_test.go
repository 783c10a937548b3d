//go:build synctests

package engine_test

import (
	"context"
	"fmt"
	"time"

	"github.com/refold/refold/projections/engine"
	"github.com/refold/refold/projections/projection"
	"github.com/refold/refold/projections/store"
)

// reader asks processes for rows, one question after the other, and checks that no answer is older than one before.
type reader struct {
	w    *world
	end  func()
	over chan struct{}

	// Of its goroutine alone, or of who has ended it.
	next map[taskOf]int64 // how far it has seen a task
	seen []sight
}

// sight is a row as a reader saw it, in a task folded up to next.
type sight struct {
	generation int64
	partition  int32
	next       int64
	key        string
	found      *version
	// since is when the event was recorded since which it is parked, where it is.
	since  time.Time
	parked bool
}

// read begins to read. It ends with stop.
func read(w *world) *reader {
	r := &reader{w: w, next: make(map[taskOf]int64)}
	r.begin()
	return r
}

func (r *reader) begin() {
	ctx, cancel := context.WithCancel(context.Background())
	r.end, r.over = cancel, make(chan struct{})
	go func() {
		defer close(r.over)
		for wait(ctx.Done(), time.Duration(r.w.dice.upTo(400))*time.Millisecond) {
			if p := r.w.some(); p != nil {
				r.ask(ctx, p)
			}
		}
	}()
}

// stop ends the reader and returns what it has seen.
func (r *reader) stop() []sight {
	r.end()
	<-r.over
	return r.seen
}

// lost does what takes rows away, which no reader may then hold against anybody.
func (r *reader) lost(of taskOf, do func(taskOf)) {
	r.stop()
	defer r.begin()
	do(of)
	delete(r.next, of)
}

// ask reads a row of the live generation, at times with a position that its task must have come to.
func (r *reader) ask(ctx context.Context, p *process) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	q := engine.Query{Projection: simulated, Partition: int32(r.w.dice.upTo(int(r.w.plan.partitions)))}
	if r.w.dice.upTo(2) == 0 {
		q.MinOffset = int64(r.w.dice.upTo(40))
	}
	v, err := p.View(ctx, q)
	if err != nil {
		return
	}
	defer v.Close()
	of := taskOf{store.Generation{Projection: simulated, Number: v.Generation}, q.Partition}
	switch {
	case v.Next < r.next[of]:
		r.w.Errorf("a reader of %d/%d is back at %d, and was at %d", v.Generation, q.Partition, v.Next, r.next[of])
	case v.Next < q.MinOffset:
		r.w.Errorf("a reader of %d/%d is at %d, and asked for %d", v.Generation, q.Partition, v.Next, q.MinOffset)
	}
	r.next[of] = max(r.next[of], v.Next)
	s := sight{generation: v.Generation, partition: q.Partition, next: v.Next, key: everyone}
	if n := r.w.dice.upTo(2 * customers); n < customers {
		s.key = fmt.Sprint("c", n)
	}
	value, err := v.Load(projection.Key{Partition: s.key})
	if err != nil {
		r.w.Error(err)
	}
	s.found = decoded(r.w.T, value)
	s.since, s.parked = v.ParkedSince()
	r.seen = append(r.seen, s)
}
