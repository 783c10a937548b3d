package engine_test

import (
	"errors"
	"testing"

	"github.com/refold/refold/projections/acts"
	"github.com/refold/refold/projections/engine"
	"github.com/refold/refold/projections/projection"
	"github.com/refold/refold/projections/spending"
	"github.com/refold/refold/projections/store"
	"github.com/refold/refold/projections/store/memory"
	"github.com/refold/refold/schemas/event"
	"github.com/refold/refold/streams/fake"
	"github.com/refold/refold/streams/topic"
)

const partitions = 3

func TestFoldsCommittedRecordsOnly(t *testing.T) {
	b := newBank(t)
	e, stop := b.run(memory.New(), spending.Definition())
	defer stop()
	b.post(100)
	if got, _ := b.total(e); got != sumTo(100) {
		t.Errorf("got %d, want %d", got, sumTo(100))
	}
	b.abort(50)
	b.post(1)
	if got, _ := b.total(e); got != sumTo(101) {
		t.Errorf("after an abort: got %d, want %d", got, sumTo(101))
	}
}

func TestRestartGoesOnWhereItWas(t *testing.T) {
	b := newBank(t)
	stores := memory.New()
	for round := 1; round <= 3; round++ {
		e, stop := b.run(stores, spending.Definition())
		b.post(40)
		if got, want := first(b.total(e)), sumTo(40*round); got != want {
			t.Errorf("round %d: got %d, want %d", round, got, want)
		}
		stop()
	}
}

func first(a, _ int64) int64 { return a }

func TestReplayPromoteRollback(t *testing.T) {
	b := newBank(t)
	e, stop := b.run(memory.New(), spending.Definition())
	defer stop()
	b.post(200)
	b.total(e)
	op, err := e.Start(t.Context(), spending.Name, "tester", "to see")
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Promote(t.Context(), op, "tester", "", false); err == nil {
		t.Error("a generation that was not compared was promoted")
	}
	until(t, "the replay is verified", func() bool {
		b.post(1)
		return b.status(e, op).State == engine.Verified
	})
	s := b.status(e, op)
	if s.Generation.Verified.Rows == 0 || s.Generation.Verified.Differences != 0 || s.LiveDigest != s.Generation.Verified.Digest {
		t.Errorf("got %d rows, %d differences, digests %s and %s", s.Generation.Verified.Rows, s.Generation.Verified.Differences, s.Generation.Verified.Digest, s.LiveDigest)
	}
	want, _ := b.total(e)
	for _, step := range []struct {
		do         func() error
		generation int64
	}{
		{func() error { return e.Promote(t.Context(), op, "tester", "", false) }, 2},
		{func() error { return e.Rollback(t.Context(), op, "tester", "") }, 1},
	} {
		if err := step.do(); err != nil {
			t.Fatal(err)
		}
		if got, g := b.total(e); got != want || g != step.generation {
			t.Errorf("got %d from generation %d, want %d from %d", got, g, want, step.generation)
		}
	}
}

func (b *bank) status(e *engine.Engine, op string) engine.Status {
	b.t.Helper()
	_, _, s, err := e.Find(op)
	if err != nil {
		b.t.Fatal(err)
	}
	return s
}

// changed is spending with another fold: the same keys, other rows.
func changed(t *testing.T, version int64) *projection.Definition {
	t.Helper()
	type posted struct {
		CustomerID string       `avro:"customer_id"`
		OccurredAt event.Micros `avro:"occurred_at"`
	}
	d, err := projection.Define(spending.Name, version, projection.On(topic.Transactions, event.NameEntryPosted,
		func(e *posted, k *projection.Keys) { k.Add(e.CustomerID, spending.Month(e.OccurredAt.Time())) },
		func(_ projection.Key, r *spending.Row, _ *posted, _ projection.Meta) error {
			r.Cells = []spending.Cell{{Currency: "EUR", Entries: 1}}
			return nil
		}))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestPromoteRefusesDifferences(t *testing.T) {
	b := newBank(t)
	e, stop := b.run(memory.New(), spending.Definition())
	b.post(30)
	b.total(e)
	stop()

	stores := memory.New()
	e, stop = b.run(stores, spending.Definition(), changed(t, spending.Definition().Version+1))
	defer stop()
	b.total(e)
	op, err := e.Start(t.Context(), spending.Name, "tester", "a new version")
	if err != nil {
		t.Fatal(err)
	}
	until(t, "the replay is verified", func() bool { return b.status(e, op).State == engine.Verified })
	if s := b.status(e, op); len(s.Differences) == 0 {
		t.Error("no difference is shown")
	}
	refusal := e.Promote(t.Context(), op, "tester", "", false)
	if _, ok := acts.IsRefusal(refusal); !ok {
		t.Fatalf("got %v, want a refusal", refusal)
	}
	if err := e.Promote(t.Context(), op, "tester", "", true); err == nil {
		t.Error("a forced promotion without a reason went through")
	}
	if err := e.Promote(t.Context(), op, "tester", "the fold was wrong", true); err != nil {
		t.Fatal(err)
	}
	if live, _, err := e.Statuses(spending.Name); live != 2 || err != nil {
		t.Errorf("generation %d is live, %v, want 2", live, err)
	}
}

func TestCancelDropsRows(t *testing.T) {
	b := newBank(t)
	stores := memory.New()
	e, stop := b.run(stores, spending.Definition())
	defer stop()
	b.post(30)
	b.total(e)
	op, err := e.Start(t.Context(), spending.Name, "tester", "")
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Cancel(t.Context(), engine.Operation(spending.Name, 1), "tester", ""); err == nil {
		t.Error("the live generation was cancelled")
	}
	if err := e.Cancel(t.Context(), op, "tester", "a mistake"); err != nil {
		t.Fatal(err)
	}
	until(t, "the rows are gone", func() bool {
		s, err := stores.Open(store.Generation{Projection: spending.Name, Number: 2})
		if err != nil {
			t.Fatal(err)
		}
		c, err := s.Checkpoint(0)
		return err == nil && c.Next == 0 && b.status(e, op).State == engine.Cancelled
	})
}

func TestUndecodableRecordStopsItsTaskOnly(t *testing.T) {
	b := newBank(t)
	e, stop := b.run(memory.New(), spending.Definition())
	defer stop()
	b.post(30)
	b.total(e)
	b.broker.Commit(fake.Record{Topic: topic.Transactions, Partition: 1, Value: []byte("not an event")})
	live := engine.Operation(spending.Name, 1)
	until(t, "the generation is stuck", func() bool { return b.status(e, live).State == engine.Stuck })
	if _, err := e.View(t.Context(), engine.Query{Projection: spending.Name, Partition: 1, MinOffset: 1 << 40}); !errors.Is(err, engine.ErrStuck) {
		t.Errorf("a read beyond it: got %v, want %v", err, engine.ErrStuck)
	}
	before := b.status(e, live).Lag
	b.post(30)
	until(t, "the lag of the task that stands still grows", func() bool { return b.status(e, live).Lag > before })
	for _, p := range b.status(e, live).Progress {
		if (p.Err != nil) != (p.Partition == 1) {
			t.Errorf("partition %d: %v", p.Partition, p.Err)
		}
	}
}

func TestSameVersionWithOtherRowsIsRefused(t *testing.T) {
	b := newBank(t)
	e, stop := b.run(memory.New(), spending.Definition())
	b.post(1)
	b.total(e)
	stop()
	type otherRow struct {
		Other int64 `avro:"other"`
	}
	other, err := projection.Define(spending.Name, spending.Definition().Version, projection.On(topic.Transactions, event.NameEntryPosted,
		func(_ *struct{}, _ *projection.Keys) {},
		func(_ projection.Key, _ *otherRow, _ *struct{}, _ projection.Meta) error { return nil }))
	if err != nil {
		t.Fatal(err)
	}
	e, stop = b.run(memory.New(), other)
	defer stop()
	until(t, "the generation is stuck", func() bool {
		_, all, err := e.Statuses(spending.Name)
		return err == nil && len(all) == 1 && all[0].State == engine.Stuck
	})
}
