package engine_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/refold/refold/projections/acts"
	"github.com/refold/refold/projections/engine"
	"github.com/refold/refold/projections/projection"
	"github.com/refold/refold/projections/spending"
	"github.com/refold/refold/projections/store"
	"github.com/refold/refold/projections/store/memory"
	"github.com/refold/refold/schemas/codec"
	"github.com/refold/refold/schemas/event"
	"github.com/refold/refold/streams/fake"
	"github.com/refold/refold/streams/feed"
	"github.com/refold/refold/streams/topic"
)

const partitions = 3

// bank is a broker with events in it, and what an engine needs to fold them.
type bank struct {
	t       *testing.T
	broker  *fake.Broker
	codec   *codec.Codec
	encoder *codec.Encoder
	n       int
}

func newBank(t *testing.T) *bank {
	t.Helper()
	b := &bank{t: t, broker: fake.New(t, partitions), codec: codec.New(new(codec.Local))}
	var err error
	if b.encoder, err = b.codec.Encoder(t.Context(), topic.Transactions, event.NameEntryPosted); err != nil {
		t.Fatal(err)
	}
	return b
}

// post writes n purchases of ten customers in one transaction.
func (b *bank) post(n int) { b.t.Helper(); b.broker.Commit(b.purchases(n)...) }

// abort writes n purchases in a transaction that is aborted.
func (b *bank) abort(n int) {
	b.t.Helper()
	b.broker.Abort(b.purchases(n)...)
	b.n -= n
}

func (b *bank) purchases(n int) (out []fake.Record) {
	b.t.Helper()
	for range n {
		b.n++
		customer := fmt.Sprintf("c%d", b.n%10)
		e := event.EntryPosted{
			Envelope: event.Envelope{CustomerID: customer, OccurredAt: event.Micros(int64(b.n) * 1e12)},
			Kind:     event.EntryCardPurchase, Category: fmt.Sprint("category ", b.n%3),
			Legs: []event.Leg{{AccountID: customer + ".card", AmountMinor: -int64(b.n), Currency: "EUR"}, {AccountID: "@world.0.EUR", AmountMinor: int64(b.n), Currency: "EUR"}},
		}
		value, err := b.encoder.Append(nil, &e)
		if err != nil {
			b.t.Fatal(err)
		}
		out = append(out, fake.Record{Topic: topic.Transactions, Partition: topic.Of(customer, partitions), Key: []byte(customer), Value: value})
	}
	return out
}

// run runs an engine until the returned function is called.
func (b *bank) run(stores store.Stores, catalog ...*projection.Definition) (*engine.Engine, func()) {
	b.t.Helper()
	return b.runAs("test", stores, catalog...)
}

// runAs is run as a named instance of the group, or as one that leaves it when it stops where the name is "".
func (b *bank) runAs(instance string, stores store.Stores, catalog ...*projection.Definition) (*engine.Engine, func()) {
	b.t.Helper()
	f, err := feed.Open(b.broker.Cluster, topic.Acts)
	if err != nil {
		b.t.Fatal(err)
	}
	log, err := acts.NewLog(b.t.Context(), f, b.codec)
	if err != nil {
		b.t.Fatal(err)
	}
	e := engine.New(engine.Config{
		Cluster: b.broker.Cluster, Codec: b.codec, Stores: stores, Acts: log, Catalog: catalog,
		Instance: instance, Logger: slog.New(slog.DiscardHandler),
	})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 2)
	go func() { done <- e.Run(ctx) }()
	go func() { _ = log.Run(ctx); done <- nil }()
	stop := func() {
		cancel()
		for range 2 {
			if err := <-done; err != nil {
				b.t.Error(err)
			}
		}
		f.Close()
	}
	return e, stop
}

// until waits for a condition.
func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-deadline:
			t.Fatalf("waited in vain until %s", what)
		case <-tick.C:
		}
	}
}

// total adds up what the live generation says everyone spent, up to the end of the log.
func (b *bank) total(e *engine.Engine) (sum int64, generation int64) {
	b.t.Helper()
	row := mustRow(b.t)
	for p, end := range b.broker.Ends(topic.Transactions) {
		v := b.view(e, p, end)
		generation = v.Generation
		for c := range 10 {
			err := v.Scan(fmt.Sprint("c", c), "", "", func(_ projection.Key, value []byte) bool {
				sum += spentIn(b.t, row, value)
				return true
			})
			if err != nil {
				b.t.Fatal(err)
			}
		}
		if err := v.Close(); err != nil {
			b.t.Fatal(err)
		}
	}
	return sum, generation
}

// view waits until the task is here and has folded up to an offset.
func (b *bank) view(e *engine.Engine, p int32, end int64) (v *engine.View) {
	b.t.Helper()
	until(b.t, "the task is here", func() bool {
		var err error
		v, err = e.View(b.t.Context(), engine.Query{Projection: spending.Name, Partition: p, MinOffset: end})
		if err != nil && !errors.Is(err, engine.ErrNotHere) {
			b.t.Fatal(err)
		}
		return err == nil
	})
	return v
}

// spentIn returns what one stored row says was spent.
func spentIn(t *testing.T, c codec.Row[spending.Row], value []byte) (sum int64) {
	t.Helper()
	var r spending.Row
	if _, err := projection.Decode(c, value, &r); err != nil {
		t.Fatal(err)
	}
	for _, l := range r.Lines {
		sum += l.SpentMinor
	}
	return sum
}

// useRegistry has what is written from now on encoded with another registry.
func (b *bank) useRegistry(r codec.Registry) {
	b.t.Helper()
	var err error
	if b.encoder, err = codec.New(r).Encoder(b.t.Context(), topic.Transactions, event.NameEntryPosted); err != nil {
		b.t.Fatal(err)
	}
}

// follow runs a follower of all partitions, with a codec of its own, until the returned function is called.
func (b *bank) follow(r codec.Registry) (*engine.Follower, func()) {
	b.t.Helper()
	f, err := engine.NewFollower(engine.FollowerConfig{
		Cluster: b.broker.Cluster, Codec: codec.New(r), Definition: spending.Definition(), Store: memory.NewStore(),
		Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		b.t.Fatal(err)
	}
	if err := f.Assign([]int32{0, 1, 2}); err != nil {
		b.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- f.Run(ctx) }()
	return f, func() {
		cancel()
		if err := <-ended; err != nil {
			b.t.Error(err)
		}
		f.Close()
	}
}

func mustRow(t *testing.T) codec.Row[spending.Row] {
	t.Helper()
	row, err := codec.RowOf[spending.Row]()
	if err != nil {
		t.Fatal(err)
	}
	return row
}

func sumTo(n int) int64 { return int64(n) * int64(n+1) / 2 }

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
			r.Lines = []spending.Line{{Category: "all", Currency: "EUR", Entries: 1}}
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
