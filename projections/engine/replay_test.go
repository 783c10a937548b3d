package engine_test

import (
	"errors"
	"sync/atomic"
	"testing"

	"github.com/refold/refold/projections/engine"
	"github.com/refold/refold/projections/spending"
	"github.com/refold/refold/projections/store"
	"github.com/refold/refold/projections/store/memory"
)

// begin starts a replay that folds so many records a second.
func (b *bank) begin(e *engine.Engine, maxRate int64) string {
	b.t.Helper()
	op, err := e.Begin(b.t.Context(), engine.Order{Wish: engine.Wish{Projection: spending.Name}, MaxRate: maxRate, Principal: "tester"})
	if err != nil {
		b.t.Fatal(err)
	}
	return op
}

// must fails the test for an error.
func (b *bank) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

// A paused replay folds nothing, also after a restart, and goes on where it was when it is resumed.
func TestPauseSurvivesARestart(t *testing.T) {
	b := newBank(t)
	stores := memory.New()
	e, stop := b.run(stores, spending.Definition())
	b.post(1000)
	b.total(e)
	op := b.begin(e, 1)
	until(t, "it has begun", func() bool { return b.status(e, op).Folded() > 0 })
	b.must(e.Pause(t.Context(), op, "tester", "traffic"))
	if err := e.Pause(t.Context(), op, "tester", ""); !refused(err) {
		t.Errorf("paused twice: got %v, want a refusal", err)
	}
	if s := b.status(e, op); s.State != engine.Paused || s.Paused.Reason != "traffic" {
		t.Errorf("got %+v", s)
	}
	stop()
	e, stop = b.run(stores, spending.Definition())
	defer stop()
	b.total(e)
	until(t, "it is here again", func() bool { return len(b.status(e, op).Progress) == partitions })
	b.must(e.Cap(t.Context(), op, "tester", "", 0))
	was := b.status(e, op)
	b.post(100)
	if got, _ := b.total(e); got != sumTo(1100) {
		t.Errorf("got %d, want %d", got, sumTo(1100))
	}
	if s := b.status(e, op); s.State != engine.Paused || s.Folded() != was.Folded() {
		t.Errorf("it is %v and folded %d, then %d, while it was paused", s.State, was.Folded(), s.Folded())
	}
	b.must(e.Resume(t.Context(), op, "tester", ""))
	until(t, "it is verified", func() bool { return b.status(e, op).State == engine.Verified })
	if s := b.status(e, op); s.Verified.Differences != 0 {
		t.Errorf("got %d differences", s.Verified.Differences)
	}
}

// The bound of a replay's rate is changed while it runs, and survives a restart.
func TestCapIsChangedWhileItRuns(t *testing.T) {
	b := newBank(t)
	stores := memory.New()
	e, stop := b.run(stores, spending.Definition())
	for range 20 {
		b.post(500)
	}
	b.total(e)
	op := b.begin(e, 1)
	until(t, "it has begun", func() bool { return b.status(e, op).Folded() > 0 })
	stop()
	e, stop = b.run(stores, spending.Definition())
	defer stop()
	until(t, "it is here again", func() bool { _, _, s, err := e.Find(op); return err == nil && len(s.Progress) == partitions })
	if s := b.status(e, op); s.MaxRate != 1 || s.State != engine.Building {
		t.Errorf("got %+v", s)
	}
	b.must(e.Cap(t.Context(), op, "tester", "", 1_000_000))
	until(t, "it is verified", func() bool { return b.status(e, op).State == engine.Verified })
	if s := b.status(e, op); s.MaxRate != 1_000_000 {
		t.Errorf("got a bound of %d", s.MaxRate)
	}
	if p := b.plan(e, engine.Wish{Projection: spending.Name}); p.Rate <= 0 || p.ETA() <= 0 {
		t.Errorf("got rate %f, ETA %s after a rebuild", p.Rate, p.ETA())
	}
}

// full are stores that take no more rows while they are full.
type full struct {
	store.Stores
	isFull atomic.Bool
}

type fullStore struct {
	store.Store
	of *full
}

func (f *full) Open(g store.Generation) (store.Store, error) {
	s, err := f.Stores.Open(g)
	return fullStore{s, f}, err
}

var errFull = errors.New("there is no room")

func (f fullStore) Save(task int32, c store.Checkpoint, fill func(store.Writer) error) error {
	if f.of.isFull.Load() {
		return f.Store.Save(task, c, func(store.Writer) error { return fill(noRoom{}) })
	}
	return f.Store.Save(task, c, fill)
}

// noRoom takes no row.
type noRoom struct{}

func (noRoom) Set([]byte, []byte) error             { return errFull }
func (noRoom) SetWithout(int, []byte, []byte) error { return errFull }

// Tasks that stand still begin anew, where they have saved, when they are told to.
func TestRetryBeginsAnew(t *testing.T) {
	b := newBank(t)
	stores := &full{Stores: memory.New()}
	e, stop := b.run(stores, spending.Definition())
	defer stop()
	b.post(30)
	b.total(e)
	stores.isFull.Store(true)
	b.post(30)
	live := engine.Operation(spending.Name, 1)
	until(t, "it stands still", func() bool { return b.status(e, live).State == engine.Stuck })
	stores.isFull.Store(false)
	if err := e.Retry(t.Context(), "spending-7", "tester", ""); !errors.Is(err, engine.ErrUnknown) {
		t.Errorf("got %v, want ErrUnknown", err)
	}
	b.must(e.Retry(t.Context(), live, "tester", "there is room"))
	until(t, "it goes on", func() bool {
		s := b.status(e, live)
		return s.State == engine.Live && s.Lag == 0 && len(s.Progress) == partitions
	})
	if got, _ := b.total(e); got != sumTo(60) {
		t.Errorf("got %d, want %d", got, sumTo(60))
	}
}
