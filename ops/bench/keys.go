package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"time"

	"github.com/refold/refold/projections/ledger"
	"github.com/refold/refold/projections/store"
	"github.com/refold/refold/projections/store/pebble"
	"github.com/refold/refold/schemas/codec"
	"github.com/refold/refold/schemas/registry"
	"github.com/refold/refold/streams/topic"
)

// lookUps is how many keys are looked for.
const lookUps = 100_000

// remember measures the ledger of many idempotency keys: a process folds them from nothing, and its rows are
// looked into when it has stopped.
func (b *bench) remember(ctx context.Context) (err error) {
	if !b.wants(partKeys) {
		return nil
	}
	l, err := openLog(ctx, filepath.Join(b.dir, "keys"), b.keys)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	c := &instances{bench: b, kafka: l.Addr()}
	defer func() { err = errors.Join(err, c.end()) }()
	if c.registry, err = c.open(ctx, "registry of keys"); err != nil {
		return err
	}
	client, err := registry.NewClient(registry.ClientConfig{URLs: []string{"http://" + c.registry.registry}})
	if err != nil {
		return err
	}
	l.codec = codec.New(client)
	if err := l.fill(ctx); err != nil {
		return err
	}
	start := time.Now()
	s, err := c.open(ctx, "owner of keys")
	if err != nil {
		return err
	}
	for p := range int32(topic.DefaultPartitions) { // a command is answered when all before it is folded
		if err := c.insist(ctx, s, lonelyOf(p)); err != nil {
			return err
		}
	}
	took := time.Since(start)
	highest, err := s.memory("VmHWM")
	if err != nil {
		return err
	}
	unit := fmt.Sprintf("MB, %d keys", b.keys)
	b.add(figure{Name: "memory of the ledger, highest", Value: highest, Unit: unit, Goal: "at most 400 MB"})
	b.add(figure{Name: "replay by a process", Value: float64(b.keys) / took.Seconds(), Unit: "entries/s"})
	if err := s.stop(); err != nil {
		return err
	}
	return b.lookUp(s)
}

// lookUp looks for keys in the rows that a process has left.
func (b *bench) lookUp(s *child) error {
	d := ledger.Definition()
	stores := pebble.New(filepath.Join(s.data, "rows"), 64<<20, slog.New(slog.DiscardHandler))
	defer stores.Close()
	rows, err := stores.Open(store.Generation{Projection: d.Name + "-" + d.RowHash, Number: d.Version})
	if err != nil {
		return err
	}
	found := func(i int) ([]byte, error) {
		id := customer(buyer(i, customers))
		return rows.Load(topic.Of(id, topic.DefaultPartitions), ledger.OutcomeKey(id, fmt.Sprintf("GEN%09d", i)).Encode())
	}
	for _, look := range []struct {
		name string
		from int // the first of the numbers that keys are made of
	}{{"look-up of a key", 0}, {"look-up of a key that is not there", b.keys}} {
		var times []time.Duration
		for range lookUps {
			start := time.Now()
			v, err := found(look.from + rand.IntN(b.keys))
			times = append(times, time.Since(start))
			if err != nil || (v == nil) != (look.from > 0) {
				return errors.Join(fmt.Errorf("%s: %d bytes: %w", look.name, len(v), err), rows.Close())
			}
		}
		b.add(figure{Name: look.name + " p50", Value: 1e3 * millis(times, 50), Unit: "µs", Goal: "at most 50 µs"})
		b.add(figure{Name: look.name + " p99", Value: 1e3 * millis(times, 99), Unit: "µs"})
	}
	return rows.Close()
}
