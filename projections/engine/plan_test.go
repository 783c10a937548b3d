package engine_test

import (
	"errors"
	"maps"
	"strings"
	"testing"

	"github.com/refold/refold/projections/acts"
	"github.com/refold/refold/projections/engine"
	"github.com/refold/refold/projections/projection"
	"github.com/refold/refold/projections/spending"
	"github.com/refold/refold/projections/store"
	"github.com/refold/refold/projections/store/memory"
	"github.com/refold/refold/projections/trail"
	"github.com/refold/refold/schemas/event"
	"github.com/refold/refold/streams/topic"
)

// plan returns a plan.
func (b *bank) plan(e *engine.Engine, w engine.Wish) *engine.Plan {
	b.t.Helper()
	p, err := e.Plan(b.t.Context(), w)
	if err != nil {
		b.t.Fatal(err)
	}
	return p
}

// rows returns the stored rows of a generation, by their keys.
func (b *bank) rows(stores store.Stores, generation int64) map[string]string {
	b.t.Helper()
	s, err := stores.Open(store.Generation{Projection: spending.Name, Number: generation})
	if err != nil {
		b.t.Fatal(err)
	}
	defer s.Close()
	rows := make(map[string]string)
	for p := range int32(partitions) {
		if err := s.Scan(p, nil, nil, func(k, v []byte) bool { rows[string(k)] = string(v); return true }); err != nil {
			b.t.Fatal(err)
		}
	}
	return rows
}

func TestPlanCountsWhatItReads(t *testing.T) {
	b := newBank(t)
	stores := memory.New()
	e, stop := b.run(stores, spending.Definition())
	defer stop()
	b.post(60)
	b.abort(5)
	b.total(e)
	p := b.plan(e, engine.Wish{Projection: spending.Name})
	rows := int64(len(b.rows(stores, 1)))
	if p.Events != (engine.Figure{Value: 60, Known: engine.Counted}) || p.Bytes.Value < 60*50 || p.Rows != (engine.Figure{Value: rows, Known: engine.Counted}) || p.Live != 1 || p.ETA() != 0 {
		t.Errorf("got %+v, want 60 events and %d rows", p, rows)
	}
	b.post(10)
	if again := b.plan(e, engine.Wish{Projection: spending.Name}); again.Hash != p.Hash || again.Events.Value != 70 {
		t.Errorf("got %+v, want the same plan with ten events more", again)
	}
	if other := b.plan(e, engine.Wish{Projection: spending.Name, Keys: []string{"c1"}}); other.Hash == p.Hash {
		t.Error("another replay has the same plan")
	}
}

func TestStartRefusesAnotherPlan(t *testing.T) {
	b := newBank(t)
	e, stop := b.run(memory.New(), spending.Definition())
	defer stop()
	b.post(60)
	b.total(e)
	plan := b.plan(e, engine.Wish{Projection: spending.Name})
	order := engine.Order{Wish: engine.Wish{Projection: spending.Name, Keys: []string{"c1"}}, Plan: plan.Hash}
	if _, err := e.Begin(t.Context(), order); !refused(err) {
		t.Errorf("another replay: got %v, want a refusal", err)
	}
	order.Keys = nil
	op, err := e.Begin(t.Context(), order)
	if err != nil {
		t.Fatal(err)
	}
	until(t, "it is verified", func() bool { return b.status(e, op).State == engine.Verified })
	if got := b.status(e, op).Created.Plan; got != plan.Hash {
		t.Errorf("the act names plan %q, want %q", got, plan.Hash)
	}
	if err := e.Promote(t.Context(), op, "tester", "", false); err != nil {
		t.Fatal(err)
	}
	if _, err := e.Begin(t.Context(), order); !refused(err) {
		t.Errorf("beside another generation: got %v, want a refusal", err)
	}
}

func refused(err error) bool { _, is := acts.IsRefusal(err); return is }

func TestWishesThatCannotBe(t *testing.T) {
	b := newBank(t)
	e, stop := b.run(memory.New(), spending.Definition())
	defer stop()
	b.post(3)
	b.total(e)
	for _, w := range []engine.Wish{
		{From: "end"}, {From: "2999-01-01T00:00:00Z"}, {From: "24h"}, {From: "-1"}, {From: "snapshot:none"}, {From: "-1h", Keys: []string{"c1"}}, {TouchedBy: "bank.Nothing"},
	} {
		w.Projection = spending.Name
		if _, err := e.Plan(t.Context(), w); !errors.Is(err, engine.ErrWish) {
			t.Errorf("%+v: got %v, want ErrWish", w, err)
		}
	}
	for _, from := range []string{"", "beginning", "snapshot", "-24h", "2024-01-31T12:00:00Z", "7"} {
		if p := b.plan(e, engine.Wish{Projection: spending.Name, From: from}); p.Snapshot != "" || p.Stretches[0].Begin != 0 {
			t.Errorf("from %q without a snapshot: got %+v, want the beginning", from, p)
		}
	}
}

func TestPlanFindsHoles(t *testing.T) {
	b := newBank(t)
	e, stop := b.run(memory.New(), spending.Definition())
	defer stop()
	b.post(60)
	b.total(e)
	b.broker.Trim(topic.Transactions, 1, 3)
	p := b.plan(e, engine.Wish{Projection: spending.Name})
	if p.Stretches[1].Hole() != 3 || p.Stretches[0].Hole() != 0 {
		t.Errorf("got %+v, want a hole of 3 in partition 1", p.Stretches)
	}
	if _, err := e.Start(t.Context(), spending.Name, "tester", ""); !refused(err) {
		t.Errorf("got %v, want a refusal", err)
	}
}

// spoil gives every row of some customers the value of another row.
func (b *bank) spoil(stores store.Stores, customers ...string) {
	b.t.Helper()
	s, err := stores.Open(store.Generation{Projection: spending.Name, Number: 1})
	if err != nil {
		b.t.Fatal(err)
	}
	defer s.Close()
	rows := b.rows(stores, 1)
	var other string
	for key, value := range rows {
		if projection.DecodeKey(key).Partition == "c9" {
			other = value
		}
	}
	for key := range rows {
		customer := projection.DecodeKey(key).Partition
		for _, c := range customers {
			if c != customer {
				continue
			}
			p := topic.Of(customer, partitions)
			at, err := s.Checkpoint(p)
			if err != nil {
				b.t.Fatal(err)
			}
			if err := s.Save(p, at, func(w store.Writer) error { return w.Set([]byte(key), []byte(other)) }); err != nil {
				b.t.Fatal(err)
			}
		}
	}
}

// A replay of some keys folds their rows anew, by their trail or by the partition, and takes over the others
// as they are, with whatever is wrong with them.
func TestReplayOfSomeKeys(t *testing.T) {
	for name, c := range map[string]struct {
		wish    engine.Wish
		catalog []*projection.Definition
		mended  string // the customers whose rows are right
	}{
		"by trail":      {engine.Wish{Keys: []string{"c1", "c3"}}, []*projection.Definition{spending.Definition(), trail.Definition()}, "c1 c3"},
		"without trail": {engine.Wish{Keys: []string{"c1"}}, []*projection.Definition{spending.Definition()}, "c1"},
		"touched":       {engine.Wish{TouchedBy: event.NameEntryPosted}, []*projection.Definition{spending.Definition()}, "c1 c2 c3"},
		"not touched":   {engine.Wish{TouchedBy: event.NameHoldPlaced}, []*projection.Definition{spending.Definition()}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBank(t)
			stores := memory.New()
			e, stop := b.run(stores, c.catalog...)
			b.post(100)
			b.total(e)
			stop()
			want := b.rows(stores, 1)
			b.spoil(stores, "c1", "c2", "c3")
			e, stop = b.run(stores, c.catalog...)
			b.total(e)
			c.wish.Projection = spending.Name
			op, err := e.Begin(t.Context(), engine.Order{Wish: c.wish})
			if err != nil {
				t.Fatal(err)
			}
			until(t, "it is verified", func() bool { return b.status(e, op).State == engine.Verified })
			stop()
			got := b.rows(stores, 2)
			for key, value := range b.rows(stores, 1) {
				if customer := projection.DecodeKey(key).Partition; strings.Contains(c.mended, customer) {
					value = want[key]
				}
				if got[key] != value {
					t.Errorf("row %q: got %q, want %q", key, got[key], value)
				}
			}
			if !maps.Equal(want, got) != (c.mended != "c1 c2 c3") || maps.Equal(want, b.rows(stores, 1)) {
				t.Error("nothing was spoilt, or not what should be")
			}
		})
	}
}
