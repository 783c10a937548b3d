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

// bank is a broker with events in it, and what an engine needs to fold them.
type bank struct {
	t       *testing.T
	broker  *fake.Broker
	codec   *codec.Codec
	encoder *codec.Encoder
	n       int

	// Of the engines that run.
	snapshots             string
	retention, drillEvery time.Duration
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
		Instance: instance, Snapshots: b.snapshots, Retention: b.retention, DrillEvery: b.drillEvery, Logger: slog.New(slog.DiscardHandler),
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
	deadline := time.After(time.Minute)
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
	for _, l := range r.Cells {
		sum += l.AmountMinor
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
