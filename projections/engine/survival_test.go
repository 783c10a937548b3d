package engine_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/refold/refold/projections/acts"
	"github.com/refold/refold/projections/engine"
	"github.com/refold/refold/projections/spending"
	"github.com/refold/refold/projections/store"
	"github.com/refold/refold/projections/store/memory"
	"github.com/refold/refold/schemas/codec"
	"github.com/refold/refold/streams/fake"
	"github.com/refold/refold/streams/timeline"
	"github.com/refold/refold/streams/topic"
)

// sum adds up what the rows of a generation say everyone spent, whoever folded them.
func (b *bank) sum(stores store.Stores, generation int64) (sum int64) {
	b.t.Helper()
	s, err := stores.Open(store.Generation{Projection: spending.Name, Number: generation})
	if err != nil {
		b.t.Fatal(err)
	}
	row := mustRow(b.t)
	for p := range int32(partitions) {
		err := s.Scan(p, nil, nil, func(_, value []byte) bool { sum += spentIn(b.t, row, value); return true })
		if err != nil {
			b.t.Fatal(err)
		}
	}
	return sum
}

// PJ-7: instances come and go under load, and the tasks with them. They share a store, so that every row
// goes on where another left it.
func TestInstancesComeAndGo(t *testing.T) {
	b := newBank(t)
	stores := memory.New()
	var stops []func()
	for round := range 6 {
		_, stop := b.runAs("", stores, spending.Definition())
		stops = append(stops, stop)
		want := sumTo(b.n)
		until(t, "what was written before is folded", func() bool {
			b.post(7)
			return b.sum(stores, 1) >= want
		})
		if round%2 == 1 { // the older of two leaves
			stops[0]()
			stops = stops[1:]
		}
	}
	until(t, "everything is folded", func() bool { return b.sum(stores, 1) == sumTo(b.n) })
	for _, stop := range stops {
		stop()
	}
	if got, want := b.sum(stores, 1), sumTo(b.n); got != want {
		t.Errorf("got %d, want %d", got, want)
	}
}

// replay builds a generation, waits until it is verified and promotes it.
func (b *bank) replay(e *engine.Engine) (operation string) {
	b.t.Helper()
	op, err := e.Start(b.t.Context(), spending.Name, "tester", "")
	if err != nil {
		b.t.Fatal(err)
	}
	until(b.t, op+" is verified", func() bool { return b.status(e, op).State == engine.Verified })
	if err := e.Promote(b.t.Context(), op, "tester", "", false); err != nil {
		b.t.Fatal(err)
	}
	return op
}

func TestPromoteTwiceAndGoBack(t *testing.T) {
	b := newBank(t)
	stores := memory.New()
	e, stop := b.run(stores, spending.Definition())
	defer stop()
	b.post(20)
	want, _ := b.total(e)
	b.replay(e)
	last := b.replay(e)
	until(t, "the oldest rows are gone", func() bool { return b.sum(stores, 1) == 0 })
	if got := b.status(e, engine.Operation(spending.Name, 2)).State; got != engine.Standby {
		t.Errorf("generation 2 is %v, want %v", got, engine.Standby)
	}
	if err := e.Rollback(t.Context(), last, "tester", ""); err != nil {
		t.Fatal(err)
	}
	if got, g := b.total(e); got != want || g != 2 {
		t.Errorf("got %d from generation %d, want %d from 2", got, g, want)
	}
}

// Replays that are started and cancelled at any moment leave the engine able to do the next one.
func TestCancelAtAnyMoment(t *testing.T) {
	b := newBank(t)
	e, stop := b.run(memory.New(), spending.Definition())
	defer stop()
	b.post(500)
	b.total(e)
	for range 10 {
		op, err := e.Start(t.Context(), spending.Name, "tester", "")
		if err != nil {
			t.Fatal(err)
		}
		until(t, "it is under way", func() bool { return b.status(e, op).State != engine.Building })
		if err := e.Cancel(t.Context(), op, "tester", ""); err != nil {
			t.Fatal(err)
		}
	}
	b.replay(e)
}

// KW-14: positions of one log say nothing of another of the same name, also when nobody was there to see
// that it was made again.
func TestKW14RowsOfAnotherLogAreRefused(t *testing.T) {
	stores := memory.New()
	b := newBank(t)
	e, stop := b.run(stores, spending.Definition())
	b.post(30)
	b.total(e)
	stop()
	b.broker.MakeAgain(topic.Transactions, partitions)
	e, stop = b.run(stores, spending.Definition())
	defer stop()
	until(t, "the generation is stuck", func() bool {
		_, all, err := e.Statuses(spending.Name)
		stuck := err == nil && len(all) == 1 && all[0].State == engine.Stuck
		if stuck && !errors.Is(all[0].Err, timeline.ErrHole) {
			t.Errorf("got %v, want %v", all[0].Err, timeline.ErrHole)
		}
		return stuck
	})
}

// moody is a registry that is away while it is told to be.
type moody struct {
	codec.Local
	away  atomic.Bool
	asked atomic.Int64
}

var errAway = errors.New("away")

func (m *moody) SchemaByID(ctx context.Context, id int) (string, error) {
	m.asked.Add(1)
	if m.away.Load() {
		return "", errAway
	}
	return m.Local.SchemaByID(ctx, id)
}

func TestARegistryThatIsAwayIsWaitedFor(t *testing.T) {
	b := newBank(t)
	registry := &moody{}
	b.useRegistry(registry)
	registry.away.Store(true)
	b.post(30)
	f, stop := b.follow(registry)
	defer stop()
	until(t, "the registry is asked again", func() bool { return registry.asked.Load() > 5 })
	registry.away.Store(false)
	for p, end := range b.broker.Ends(topic.Transactions) {
		if err := f.Wait(t.Context(), p, end); err != nil {
			t.Error(err)
		}
	}
}

func TestAnUnknownActStopsTheFold(t *testing.T) {
	if acts.Known("OTHER") {
		t.Error("an act of a kind that this build does not know would be folded")
	}
}

// damaged are stores of which one generation cannot be opened, until it was dropped or for a while.
type damaged struct {
	*memory.Stores
	broken, busy atomic.Bool
	refused      atomic.Int64
	drops        atomic.Int64
}

func (d *damaged) Open(g store.Generation) (store.Store, error) {
	if d.broken.Load() {
		return nil, fmt.Errorf("open: %w", store.ErrDamaged)
	}
	if d.busy.Load() {
		d.refused.Add(1)
		return nil, syscall.EMFILE
	}
	return d.Stores.Open(g)
}

func (d *damaged) Drop(g store.Generation) error {
	d.broken.Store(false)
	d.drops.Add(1)
	return d.Stores.Drop(g)
}

// KW-15: rows that cannot be opened are made again from the log.
func TestKW15DamagedRowsAreFoldedAgain(t *testing.T) {
	b := newBank(t)
	stores := &damaged{Stores: memory.New()}
	e, stop := b.run(stores, spending.Definition())
	b.post(30)
	want, _ := b.total(e)
	stop()
	stores.broken.Store(true)
	e, stop = b.run(stores, spending.Definition())
	defer stop()
	if got, _ := b.total(e); got != want {
		t.Errorf("got %d, want %d", got, want)
	}
	if stores.broken.Load() {
		t.Error("the rows were never opened")
	}
}

// KW-15: rows that cannot be opened for another reason are kept, and opened when they can be.
func TestKW15RowsThatAreWholeAreKept(t *testing.T) {
	b := newBank(t)
	stores := &damaged{Stores: memory.New()}
	e, stop := b.run(stores, spending.Definition())
	b.post(30)
	want, _ := b.total(e)
	stop()
	stores.busy.Store(true)
	e, stop = b.run(stores, spending.Definition())
	defer stop()
	until(t, "they are refused", func() bool { return stores.refused.Load() > 1 })
	if stores.drops.Load() > 0 {
		t.Error("whole rows were dropped")
	}
	stores.busy.Store(false)
	if got, _ := b.total(e); got != want {
		t.Errorf("got %d, want %d", got, want)
	}
}

// A generation that was verified and has stood still since is not promoted.
func TestPromoteRefusesWhatStandsStill(t *testing.T) {
	b := newBank(t)
	e, stop := b.run(memory.New(), spending.Definition())
	defer stop()
	b.post(30)
	b.total(e)
	op, err := e.Start(t.Context(), spending.Name, "tester", "")
	if err != nil {
		t.Fatal(err)
	}
	until(t, "the replay is verified", func() bool { return b.status(e, op).State == engine.Verified })
	b.broker.Commit(fake.Record{Topic: topic.Transactions, Partition: 1, Value: []byte("not an event")})
	until(t, "it stands still", func() bool { return b.status(e, op).State == engine.Stuck })
	if _, refused := acts.IsRefusal(e.Promote(t.Context(), op, "tester", "", false)); !refused {
		t.Error("it was promoted")
	}
}
