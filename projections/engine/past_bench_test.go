package engine_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/refold/refold/projections/acts"
	"github.com/refold/refold/projections/balances"
	"github.com/refold/refold/projections/engine"
	"github.com/refold/refold/projections/store/memory"
	"github.com/refold/refold/projections/trail"
	"github.com/refold/refold/schemas/codec"
	"github.com/refold/refold/schemas/event"
	"github.com/refold/refold/streams/broker"
	"github.com/refold/refold/streams/cluster"
	"github.com/refold/refold/streams/feed"
	"github.com/refold/refold/streams/topic"
)

// long is how many records the log of BenchmarkAsOf has, in one partition, and batch how many of them were
// written together.
const (
	long  = 500_000
	batch = 200
)

// holder returns whose record a number is: hot has 1,000 of them and warm 50, spread over the whole log.
func holder(n int) string {
	switch {
	case n%(long/1000) == 0:
		return "hot"
	case n%(long/50) == 7:
		return "warm"
	}
	return fmt.Sprint("c", n%5000)
}

// fact returns a record: an account's opening is its first.
func fact(n int, seen map[string]int64) (name string, fact any) {
	customer := holder(n)
	at := event.Micros(1_700_000_000_000_000 + int64(n)*1_000_000)
	envelope := event.Envelope{EventID: fmt.Sprint("event-", n), CustomerID: customer, PartitionSeq: int64(n), RecordedAt: at, OccurredAt: at}
	seen[customer]++
	if seen[customer] == 1 {
		return event.NameAccountOpened, &event.AccountOpened{Envelope: envelope, AccountID: customer + ".card", Kind: event.AccountCard, Currency: "EUR"}
	}
	seq := seen[customer] - 1
	return event.NameEntryPosted, &event.EntryPosted{
		Envelope: envelope, Kind: event.EntryCardPurchase, Merchant: "a shop", Category: "food",
		Legs: []event.Leg{
			{AccountID: customer + ".card", AmountMinor: -1, Currency: "EUR", BalanceAfterMinor: -seq, AccountSeq: seq},
			{AccountID: "@world.0.EUR", AmountMinor: 1, Currency: "EUR", BalanceAfterMinor: int64(n), AccountSeq: int64(n)},
		},
	}
}

// fill writes the log.
func fill(b *testing.B, c cluster.Cluster, encode *codec.Codec) {
	b.Helper()
	client, err := c.Client(kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		b.Fatal(err)
	}
	defer client.Close()
	if _, err := topic.Ensure(b.Context(), client, topic.All(1)); err != nil {
		b.Fatal(err)
	}
	seen, encoders := make(map[string]int64), make(map[string]*codec.Encoder)
	var records []*kgo.Record
	for n := range long {
		name, fact := fact(n, seen)
		if encoders[name] == nil {
			if encoders[name], err = encode.Encoder(b.Context(), topic.Transactions, name); err != nil {
				b.Fatal(err)
			}
		}
		value, err := encoders[name].Append(nil, fact)
		if err != nil {
			b.Fatal(err)
		}
		records = append(records, &kgo.Record{Topic: topic.Transactions, Value: value})
		if len(records) == batch {
			if err := client.ProduceSync(b.Context(), records...).FirstErr(); err != nil {
				b.Fatal(err)
			}
			records = records[:0]
		}
	}
}

// BenchmarkAsOf looks back on customers of 50 and of 1,000 events among half a million of one partition, on the
// embedded broker, and reports the 99th percentile in milliseconds. Each looks at another moment; most at the last.
func BenchmarkAsOf(b *testing.B) {
	kafka, err := broker.Open(b.Context(), broker.Config{Dir: b.TempDir(), Listen: "127.0.0.1:0"})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { kafka.Close() })
	c := cluster.Cluster{Seeds: []string{kafka.Addr()}, ClientID: "bench"}
	encode := codec.New(new(codec.Local))
	fill(b, c, encode)
	e := folded(b, c, encode)
	for _, customer := range []string{"warm", "hot"} {
		b.Run(customer, func(b *testing.B) {
			b.ReportAllocs()
			var took []time.Duration
			for b.Loop() {
				start := time.Now()
				v, err := e.View(b.Context(), engine.Query{Projection: balances.Name, Key: customer, AsOf: &engine.Moment{Position: long}})
				if err != nil {
					b.Fatal(err)
				}
				row, err := v.Load(balances.AccountKey(customer + ".card"))
				if v.Close(); err != nil || row == nil || v.Scanned {
					b.Fatal(row, err)
				}
				took = append(took, time.Since(start))
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
			b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "p50-ms")
		})
	}
}

// folded returns an engine that has folded the log.
func folded(b *testing.B, c cluster.Cluster, decode *codec.Codec) *engine.Engine {
	b.Helper()
	f, err := feed.Open(c, topic.Acts)
	if err != nil {
		b.Fatal(err)
	}
	log, err := acts.NewLog(b.Context(), f, decode)
	if err != nil {
		b.Fatal(err)
	}
	e := engine.New(engine.Config{
		Cluster: c, Codec: decode, Stores: memory.New(), Acts: log, Catalog: catalogue()[:2], Instance: "bench",
		Logger: slog.New(slog.DiscardHandler),
	})
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { _ = e.Run(ctx) })
	wg.Go(func() { _ = log.Run(ctx) })
	b.Cleanup(func() { cancel(); wg.Wait(); f.Close() })
	for at := int64(0); at < long; {
		v, err := e.View(b.Context(), engine.Query{Projection: trail.Name, MinOffset: long})
		if errors.Is(err, engine.ErrNotHere) {
			runtime.Gosched()
			continue
		}
		if err != nil {
			b.Fatal(err)
		}
		at = v.Next
		v.Close()
	}
	return e
}
