package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"path/filepath"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/refold/refold/projections/engine"
	"github.com/refold/refold/projections/ledger"
	"github.com/refold/refold/projections/projection"
	"github.com/refold/refold/projections/spending"
	"github.com/refold/refold/projections/store"
	"github.com/refold/refold/projections/store/pebble"
	"github.com/refold/refold/schemas/codec"
	"github.com/refold/refold/schemas/event"
	"github.com/refold/refold/streams/broker"
	"github.com/refold/refold/streams/cluster"
	"github.com/refold/refold/streams/topic"
)

// log measures what is done with a long log: reading it raw, decoding it, rebuilding projections from it,
// verifying it. The broker is the embedded one, in this process.
func (b *bench) log(ctx context.Context) error {
	if !b.wants(partGenerate, partRebuild, partReplay, partDecode, partVerify) {
		return nil
	}
	l, err := openLog(ctx, filepath.Join(b.dir, "log"), b.events)
	if err != nil {
		return err
	}
	if err := l.fill(ctx); err != nil {
		return errors.Join(err, l.Close())
	}
	b.add(figure{Name: "generate and commit", Value: l.generated, Unit: "records/s"})
	return errors.Join(b.measureLog(ctx, l), l.Close())
}

// journaled is a broker in this process that has a journal of many entries, once it is filled. Whoever reads it
// elsewhere gives it another codec before.
type journaled struct {
	*broker.Broker
	cluster   cluster.Cluster
	codec     *codec.Codec
	ends      cluster.Offsets
	events    int
	customers int
	lean      bool
	generated float64 // records a second
}

func openLog(ctx context.Context, dir string, events int) (*journaled, error) {
	br, err := broker.Open(ctx, broker.Config{Dir: dir, Listen: "127.0.0.1:0"})
	if err != nil {
		return nil, err
	}
	at := cluster.Cluster{Seeds: []string{br.Addr()}, ClientID: "bench"}
	return &journaled{Broker: br, cluster: at, codec: codec.New(new(codec.Local)), events: events, customers: customers}, nil
}

func (l *journaled) fill(ctx context.Context) error {
	client, err := l.cluster.Client()
	if err != nil {
		return err
	}
	defer client.Close()
	if _, err := topic.Ensure(ctx, client, topic.All(topic.DefaultPartitions)); err != nil {
		return err
	}
	g, err := newWriting(ctx, l.cluster, l.codec)
	if err != nil {
		return err
	}
	g.serve(l.customers)
	if l.lean {
		g.lean = &lean{leanID}
	}
	start := time.Now()
	if err := g.run(ctx, l.events); err != nil {
		return err
	}
	l.generated = float64(l.events+l.customers) / time.Since(start).Seconds()
	return l.find(ctx)
}

// find looks where the log ends.
func (l *journaled) find(ctx context.Context) (err error) {
	l.ends, err = endsOf(ctx, l.cluster)
	return err
}

// measureLog measures in turn, and takes the best of each, so that a noisy minute hurts all alike.
func (b *bench) measureLog(ctx context.Context, l *journaled) error {
	var raw, rebuilt, replayed float64
	var sample [][]byte
	for range 3 {
		var values [][]byte
		rate, err := consume(ctx, l.cluster, l.ends, func(n int, r *kgo.Record) {
			if n%20 == 0 && !r.Attrs.IsControl() {
				values = append(values, r.Value)
			}
		})
		if err != nil {
			return err
		}
		raw, sample = max(raw, rate), values
		if rate, err = b.rebuild(ctx, l, partRebuild, spending.Definition()); err != nil {
			return err
		}
		rebuilt = max(rebuilt, rate)
		if rate, err = b.rebuild(ctx, l, partReplay, ledger.Definition()); err != nil {
			return err
		}
		replayed = max(replayed, rate)
	}
	b.add(figure{Name: "raw consume", Value: raw, Unit: "records/s"})
	if b.wants(partRebuild) {
		b.add(figure{Name: "rebuild spending", Value: rebuilt, Unit: "events/s", Ratio: rebuilt / raw, Of: "raw consume", Goal: "at least 0.25 of raw consume"})
	}
	if b.wants(partReplay) {
		b.add(figure{Name: "replay of the ledger from nothing", Value: replayed, Unit: "entries/s", Ratio: replayed / raw, Of: "raw consume", Goal: "at least 120,000, aim 250,000 entries/s"})
	}
	return errors.Join(b.decode(ctx, l.codec, sample), b.verify(ctx, l.cluster, raw))
}

// consume reads the whole topic with a plain client, calls each for every record and its number, and returns the
// rate.
func consume(ctx context.Context, c cluster.Cluster, ends cluster.Offsets, each func(n int, r *kgo.Record)) (rate float64, err error) {
	at := make(map[int32]kgo.Offset)
	for p := range ends {
		at[p] = kgo.NewOffset().At(0)
	}
	client, err := c.Client(
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic.Transactions: at}),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords(),
	)
	if err != nil {
		return 0, err
	}
	defer client.Close()
	left, n, start := len(ends), 0, time.Now()
	for left > 0 {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return 0, fmt.Errorf("consume: %w", err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			if r.Offset == ends[r.Partition]-1 {
				left--
			}
			n++
			each(n, r)
		})
	}
	return float64(n) / time.Since(start).Seconds(), nil
}

// spent are the fields of an entry that spending names.
type spent struct {
	CustomerID string       `avro:"customer_id"`
	OccurredAt event.Micros `avro:"occurred_at"`
	Kind       string       `avro:"kind"`
	Category   string       `avro:"category"`
	Legs       []struct {
		AccountID   string `avro:"account_id"`
		AmountMinor int64  `avro:"amount_minor"`
		Currency    string `avro:"currency"`
	} `avro:"legs"`
}

// decode measures reading all fields of events, and only those that spending names, on one core.
func (b *bench) decode(ctx context.Context, cd *codec.Codec, values [][]byte) error {
	if !b.wants(partDecode) {
		return nil
	}
	var full event.EntryPosted
	var view codec.View[spent]
	for _, m := range []struct {
		name string
		read func(*codec.Schema, []byte) error
	}{
		{"decode all fields, one core", func(s *codec.Schema, v []byte) error { return s.Decode(v, &full) }},
		{"decode the fields of spending, one core", func(s *codec.Schema, v []byte) error {
			_, err := view.Read(s, v)
			return err
		}},
	} {
		n, start := 0, time.Now()
		for _, v := range values {
			s, err := cd.Lookup(ctx, v)
			if err != nil {
				return err
			}
			if s.Name != event.NameEntryPosted {
				continue
			}
			if err := m.read(s, v); err != nil {
				return err
			}
			n++
		}
		b.add(figure{Name: m.name, Value: float64(n) / time.Since(start).Seconds(), Unit: "events/s"})
	}
	return nil
}

// rebuild folds the whole topic into a new generation of a projection, and returns the events a second.
func (b *bench) rebuild(ctx context.Context, l *journaled, part string, d *projection.Definition) (rate float64, err error) {
	if !b.wants(part) {
		return 0, nil
	}
	stores := pebble.New(filepath.Join(b.dir, "rows"), 32<<20, slog.New(slog.DiscardHandler))
	defer stores.Close()
	g := store.Generation{Projection: d.Name, Number: time.Now().UnixNano()}
	s, err := stores.Open(g)
	if err != nil {
		return 0, err
	}
	elapsed, err := fold(ctx, engine.FollowerConfig{
		Cluster: l.cluster, Codec: l.codec, Definition: d, Store: s, Logger: slog.New(slog.DiscardHandler),
	}, l.ends)
	if err = errors.Join(err, s.Close(), stores.Drop(g)); err != nil {
		return 0, err
	}
	return float64(l.events+customers) / elapsed.Seconds(), nil
}

// fold runs a follower until it has folded up to the ends, and returns how long that took. The follower has
// ended when it returns.
func fold(ctx context.Context, cfg engine.FollowerConfig, ends cluster.Offsets) (time.Duration, error) {
	f, err := engine.NewFollower(cfg)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	if err := f.Assign(slices.Collect(maps.Keys(ends))); err != nil {
		return 0, err
	}
	running, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	start := time.Now()
	go func() { ended <- f.Run(running) }()
	for p, end := range ends {
		if err = f.Wait(ctx, p, end); err != nil {
			break
		}
	}
	elapsed := time.Since(start)
	stop()
	return elapsed, errors.Join(err, <-ended)
}
