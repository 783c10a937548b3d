package engine_test

import (
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/refold/refold/projections/acts"
	"github.com/refold/refold/projections/engine"
	"github.com/refold/refold/projections/projection"
	"github.com/refold/refold/projections/spending"
	"github.com/refold/refold/projections/store"
	"github.com/refold/refold/projections/store/memory"
	"github.com/refold/refold/projections/store/pebble"
	"github.com/refold/refold/streams/topic"
)

// ends fails where what is done does not end.
func ends(t *testing.T, what string, done func()) {
	t.Helper()
	ended := make(chan struct{})
	go func() { defer close(ended); done() }()
	select {
	case <-ended:
	case <-time.After(time.Minute):
		t.Fatalf("%s does not end", what)
	}
}

// PJ-7: while releases fail an engine can be asked, shared out anew and stopped: nobody waits for a release who
// holds what the release asks for.
func TestReleasesThatFailHoldNobodyUp(t *testing.T) {
	b := newBank(t)
	faults := b.broker.Faults()
	stores := memory.New()
	a, stop := b.tell("", stores)
	b.post(1)
	b.everybody(1)
	handle := faults.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.TxnOffsetCommit}, Err: kerr.IllegalGeneration, Count: -1})
	b.post(50)
	until(t, "releases fail", func() bool { return handle.Hits() > 1 })
	other, stopOther := b.runAs("", stores, teller(t))
	until(t, "the other has partitions", func() bool {
		_, all, err := other.Statuses(spending.Name)
		return err == nil && len(all) == 1 && len(all[0].Progress) > 0
	})
	ends(t, "a status", func() { _, _, _ = a.Statuses(spending.Name) })
	ends(t, "the stop of what releases nothing", stop)
	handle.Remove()
	b.everybody(1)
	stopOther()
}

// A generation that does not come to where the live one stands is not waited for.
func TestWhatIsPausedIsNotCompared(t *testing.T) {
	b := newBank(t)
	e, stop := b.run(memory.New(), spending.Definition())
	defer stop()
	b.post(20)
	b.total(e)
	op, err := e.Begin(t.Context(), engine.Order{Wish: engine.Wish{Projection: spending.Name}})
	b.must(err)
	b.must(e.Pause(t.Context(), op, "tester", ""))
	_, _, err = e.Differences(t.Context(), op)
	var refused *acts.Refusal
	if !errors.As(err, &refused) || !strings.Contains(refused.Why, "paused") {
		t.Errorf("got %v", err)
	}
	b.must(e.Resume(t.Context(), op, "tester", ""))
	until(t, "it is compared", func() bool { n, _, err := e.Differences(t.Context(), op); return err == nil && n == 0 })
}

// slowSeed are stores of which the second generation waits when it is filled in.
type slowSeed struct {
	store.Stores
	opened, dropped atomic.Int64
	hold            chan struct{}
}

type slowStore struct {
	store.Store
	of *slowSeed
}

func (s *slowSeed) Open(g store.Generation) (store.Store, error) {
	in, err := s.Stores.Open(g)
	if g.Number == 2 && err == nil {
		s.opened.Add(1)
		return slowStore{in, s}, nil
	}
	return in, err
}

func (s *slowSeed) Drop(g store.Generation) error {
	if g.Number == 2 {
		s.dropped.Add(1)
	}
	return s.Stores.Drop(g)
}

func (s slowStore) Save(task int32, c store.Checkpoint, fill func(store.Writer) error) error {
	<-s.of.hold
	return s.Store.Save(task, c, fill)
}

// A generation that is promoted before its rows are filled in is not opened twice, and never dropped.
func TestPromotedWhileItIsSeeded(t *testing.T) {
	b := newBank(t)
	b.snapshots = t.TempDir()
	stores := &slowSeed{Stores: pebble.New(t.TempDir(), 8<<20, slog.New(slog.DiscardHandler)), hold: make(chan struct{})}
	e, stop := b.run(stores, spending.Definition())
	defer stop()
	b.post(100)
	want, _ := b.total(e)
	_, err := e.CreateSnapshot(t.Context(), spending.Name, "tester", "to see")
	b.must(err)
	op, err := e.Begin(t.Context(), engine.Order{Wish: engine.Wish{Projection: spending.Name, From: "snapshot"}})
	b.must(err)
	until(t, "it is seeded", func() bool { return stores.opened.Load() == 1 })
	b.must(e.Promote(t.Context(), op, "tester", "hurry", true))
	until(t, "it is live", func() bool { live, _, err := e.Statuses(spending.Name); return err == nil && live == 2 })
	close(stores.hold)
	if got, _ := b.total(e); got != want {
		t.Errorf("got %d, want %d", got, want)
	}
	if n := stores.dropped.Load(); n > 0 {
		t.Errorf("the rows of the live generation were dropped %d times", n)
	}
}

// A promotion that comes before an instance has its tasks waits for them.
func TestPromoteWaitsForItsTasks(t *testing.T) {
	b := newBank(t)
	faults := b.broker.Faults()
	stores := memory.New()
	e, stop := b.run(stores, spending.Definition())
	b.post(30)
	b.total(e)
	op, err := e.Start(t.Context(), spending.Name, "tester", "")
	b.must(err)
	until(t, "the replay is verified", func() bool { return b.status(e, op).State == engine.Verified })
	stop()
	nobody := faults.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.JoinGroup}, Err: kerr.CoordinatorLoadInProgress, Count: -1})
	e, stop = b.run(stores, spending.Definition())
	defer stop()
	until(t, "the acts are read", func() bool { _, _, _, err := e.Find(op); return err == nil && nobody.Hits() > 0 })
	time.AfterFunc(300*time.Millisecond, nobody.Remove)
	b.must(e.Promote(t.Context(), op, "tester", "it was verified", false))
}

// Who reads a generation that is cancelled reads on, and nothing else waits for that.
func TestReadersOfWhatIsCancelledHoldNobodyUp(t *testing.T) {
	b := newBank(t)
	stores := memory.New()
	e, stop := b.run(stores, spending.Definition())
	defer stop()
	b.post(30)
	b.total(e)
	verified := func() string {
		op, err := e.Start(t.Context(), spending.Name, "tester", "")
		b.must(err)
		until(t, "the replay is verified", func() bool { return b.status(e, op).State == engine.Verified })
		return op
	}
	op := verified()
	v, err := e.View(t.Context(), engine.Query{Projection: spending.Name, Generation: 2, Partition: topic.Of("c1", partitions)})
	b.must(err)
	closed := sync.OnceValue(v.Close)
	defer func() { _ = closed() }()
	b.must(e.Cancel(t.Context(), op, "tester", ""))
	verified()
	rows := 0
	b.must(v.Scan("c1", "", "", func(projection.Key, []byte) bool { rows++; return true }))
	if rows == 0 {
		t.Error("the rows went while they were read")
	}
	b.must(closed())
	until(t, "its rows are dropped", func() bool {
		again, err := stores.Open(store.Generation{Projection: spending.Name, Number: 2})
		b.must(err)
		defer again.Close()
		c, err := again.Checkpoint(0)
		b.must(err)
		return c.Next == 0
	})
}
