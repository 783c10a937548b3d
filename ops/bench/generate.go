package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/refold/refold/schemas/category"
	"github.com/refold/refold/schemas/codec"
	"github.com/refold/refold/schemas/event"
	"github.com/refold/refold/services/transactions/model"
	"github.com/refold/refold/streams/cluster"
	"github.com/refold/refold/streams/topic"
)

// The generated bank: every customer has one card account and buys at one of some merchants in one of some
// categories, evenly over a quarter of a year.
const (
	customers  = 100_000
	merchants  = 997
	categories = 14
	quarter    = 90 * 24 * time.Hour
	// batch is how many records one transaction of a partition holds.
	batch = 500
)

var firstDay = time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)

// generator writes a journal as the transactions service does: balanced entries, gapless sequences, a hash
// chain, digests of commands. `refold verify` finds no fault in it.
type generator struct {
	client         *kgo.Client
	opened, posted *codec.Encoder
	lean           *lean // where entries are to be lean, and there are no accounts
	heads          [topic.DefaultPartitions]head
	balances, seqs []int64 // by customer
	pending        int
	failed         error // written by promises, which are called by one goroutine; read after Flush
}

// head is the end of one partition's chain, and its side of the world.
type head struct {
	seq, recorded int64
	hash          event.Hash
	world         int64
	worldSeq      int64
}

// newWriting returns a generator that produces.
func newWriting(ctx context.Context, c cluster.Cluster, cd *codec.Codec) (*generator, error) {
	g, err := newGenerator(ctx, cd)
	if err != nil {
		return nil, err
	}
	g.client, err = c.Client(
		kgo.TransactionalID("bench"),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerBatchCompression(kgo.Lz4Compression()),
		kgo.ManualFlushing(),
		kgo.MaxBufferedRecords(2*batch*topic.DefaultPartitions),
	)
	return g, err
}

// newGenerator returns a generator that only makes records.
func newGenerator(ctx context.Context, cd *codec.Codec) (*generator, error) {
	both, err := encoders(ctx, cd)
	if err != nil {
		return nil, err
	}
	return &generator{opened: both[0], posted: both[1], balances: make([]int64, customers), seqs: make([]int64, customers)}, nil
}

// serve makes it a bank of so many customers.
func (g *generator) serve(population int) {
	g.balances, g.seqs = make([]int64, population), make([]int64, population)
}

// run writes the accounts, where entries are not lean, and then n entries.
func (g *generator) run(ctx context.Context, n int) error {
	defer g.client.Close()
	if err := g.client.BeginTransaction(); err != nil {
		return fmt.Errorf("generate: %w", err)
	}
	for c := range g.balances {
		if g.lean != nil {
			break
		}
		if err := g.append(ctx, g.opened, g.account(c)); err != nil {
			return err
		}
	}
	step := quarter / time.Duration(n)
	for i := range n {
		if err := g.append(ctx, g.posted, g.purchase(i, firstDay.Add(time.Duration(i)*step))); err != nil {
			return err
		}
	}
	if err := g.end(ctx); err != nil {
		return err
	}
	return nil
}

// word returns what a purchase is for, in words that have a category of their own.
func word(i int) string { return category.Category(1 + i%categories).String() }

func customer(c int) string { return fmt.Sprintf("c%06d", c) }

// buyer returns who makes a purchase: every customer equally often, neighbours far apart.
func buyer(i, population int) int { return (i * 7919) % population }

func (g *generator) envelope(c int, key string, at time.Time) event.Envelope {
	id := customer(c)
	h := &g.heads[topic.Of(id, topic.DefaultPartitions)]
	h.seq++
	h.recorded = max(h.recorded+1, at.UnixMicro())
	return event.Envelope{
		EventID: event.ID(id, key), PartitionSeq: h.seq, RecordedAt: event.Micros(h.recorded),
		PrevHash: h.hash, CustomerID: id, IdempotencyKey: key,
		Principal: "local-operator", Historical: true, OccurredAt: event.MicrosOf(at),
	}
}

func (g *generator) account(c int) *event.AccountOpened {
	e := &event.AccountOpened{
		Envelope: g.envelope(c, "open", firstDay), AccountID: customer(c) + ".card",
		Kind: event.AccountCard, Currency: "GBP", OverdraftLimitMinor: 1e12,
	}
	e.CommandHash = asked(&e.Envelope, model.Command{
		Name: model.OpenAccount, Account: e.AccountID, Kind: e.Kind, Currency: e.Currency, Overdraft: e.OverdraftLimitMinor,
	})
	return e
}

// asked returns the digest of the command that an event answers.
func asked(e *event.Envelope, c model.Command) event.CommandHash {
	c.Historical, c.OccurredAt = e.Historical, &e.OccurredAt
	return c.Digest()
}

func (g *generator) purchase(i int, at time.Time) *event.EntryPosted {
	c := buyer(i, len(g.balances))
	e := &event.EntryPosted{
		Envelope: g.envelope(c, fmt.Sprintf("GEN%09d", i), at), Kind: event.EntryCardPurchase,
		Merchant: fmt.Sprintf("merchant number %d", i%merchants), Category: word(i),
	}
	p := topic.Of(e.CustomerID, topic.DefaultPartitions)
	h, amount := &g.heads[p], int64(i%20_000+1)
	g.balances[c] -= amount
	g.seqs[c]++
	h.world += amount
	h.worldSeq++
	e.Legs = []event.Leg{
		{AccountID: e.CustomerID + ".card", AmountMinor: -amount, Currency: "GBP", BalanceAfterMinor: g.balances[c], AccountSeq: g.seqs[c]},
		{AccountID: fmt.Sprintf("@world.%d.GBP", p), AmountMinor: amount, Currency: "GBP", BalanceAfterMinor: h.world, AccountSeq: h.worldSeq},
	}
	e.CommandHash = asked(&e.Envelope, model.Command{
		Name: model.PostEntry, Account: e.Legs[0].AccountID, Kind: e.Kind, Currency: "GBP", Amount: amount, Merchant: e.Merchant, Category: e.Category,
	})
	return e
}

// append writes one event, and commits when there are enough for a transaction of every partition.
func (g *generator) append(ctx context.Context, enc *codec.Encoder, e interface{ Envelop() *event.Envelope }) error {
	rec, err := g.record(enc, e)
	if err != nil {
		return err
	}
	g.client.Produce(ctx, rec, func(_ *kgo.Record, err error) {
		if err != nil {
			g.failed = err
		}
	})
	if g.pending++; g.pending < batch*topic.DefaultPartitions {
		return nil
	}
	if err := g.end(ctx); err != nil {
		return err
	}
	return g.client.BeginTransaction()
}

// record makes the next record of its partition.
func (g *generator) record(enc *codec.Encoder, e interface{ Envelop() *event.Envelope }) (*kgo.Record, error) {
	if posted, ok := e.(*event.EntryPosted); ok && g.lean != nil {
		return g.lean.record(posted), nil
	}
	value, err := enc.Append(nil, e)
	if err != nil {
		return nil, err
	}
	id := e.Envelop().CustomerID
	p := topic.Of(id, topic.DefaultPartitions)
	g.heads[p].hash = sha256.Sum256(value)
	return &kgo.Record{Topic: topic.Transactions, Partition: p, Key: []byte(id), Value: value}, nil
}

func (g *generator) end(ctx context.Context) error {
	g.pending = 0
	if err := g.client.Flush(ctx); err != nil {
		return fmt.Errorf("generate: %w", err)
	}
	if g.failed != nil {
		return fmt.Errorf("generate: %w", g.failed)
	}
	// Every transaction writes to partition 0, and all partitions of a topic become known at once.
	if err := cluster.Commit(ctx, g.client, topic.Transactions, 0); err != nil {
		return fmt.Errorf("generate: %w", err)
	}
	return nil
}
