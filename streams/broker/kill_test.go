package broker

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Killed again and again under load, every acknowledged record is there once and in order: of transactions, begun anew
// by each producer, and of one idempotent producer that outlives all brokers.
func TestKW8KillsUnderLoad(t *testing.T) {
	t.Parallel()
	const rounds, perRound = 3, 30
	dir := t.TempDir()
	c := startChild(t, dir, "127.0.0.1:0")
	addr := c.addr
	createTopic(t, addr, topicName, 2)
	steady := &load{}
	steadyClient := client(t, addr)
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		steady.run(ctx, func(value string) error {
			return steadyClient.ProduceSync(ctx, record(1, value)).FirstErr()
		})
	})
	txns := &load{}
	for round := range rounds {
		cl := client(t, addr, kgo.TransactionalID("t"))
		killed, stop := context.WithCancel(t.Context())
		var load sync.WaitGroup
		load.Go(func() { txns.run(killed, func(v string) error { return inTransaction(killed, cl, v) }) })
		wanted := (round + 1) * perRound
		eventually(t, "the round has its records", func() bool { return txns.count() >= wanted && steady.count() >= wanted })
		c.kill()
		stop()
		c = startChild(t, dir, addr)
		load.Wait()
	}
	// The idempotent producer repeats what it had under way: its next record ends the load.
	last := steady.count()
	eventually(t, "the steady producer goes on", func() bool { return steady.count() > last })
	cancel()
	running.Wait()
	checkLoad(t, committed(t, addr, 0), txns)
	checkLoad(t, committed(t, addr, 1), steady)
}

func inTransaction(ctx context.Context, cl *kgo.Client, value string) error {
	if err := cl.BeginTransaction(); err != nil {
		return err
	}
	if err := cl.ProduceSync(ctx, record(0, value)).FirstErr(); err != nil {
		return err
	}
	return cl.EndTransaction(ctx, kgo.TryCommit)
}

// load is one writer that counts upwards and remembers what was acknowledged.
type load struct {
	mu    sync.Mutex
	next  int
	acked []string
}

func (l *load) run(ctx context.Context, write func(value string) error) {
	for ctx.Err() == nil {
		l.mu.Lock()
		l.next++
		value := fmt.Sprintf("%06d", l.next)
		l.mu.Unlock()
		if err := write(value); err != nil {
			return
		}
		l.mu.Lock()
		l.acked = append(l.acked, value)
		l.mu.Unlock()
	}
}

func (l *load) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.acked)
}

func checkLoad(t *testing.T, got []string, l *load) {
	t.Helper()
	if !slices.IsSorted(got) || len(slices.Compact(slices.Clone(got))) != len(got) {
		t.Errorf("got %s, want every record once and in order", strings.Join(got, " "))
	}
	for _, want := range l.acked {
		if !slices.Contains(got, want) {
			t.Errorf("the acknowledged record %s is lost", want)
		}
	}
	if len(got) > l.next {
		t.Errorf("got %d records, and only %d were sent", len(got), l.next)
	}
}
