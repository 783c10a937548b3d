package journal

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
)

// At most as many transactions are under way as there are turns, and what queues meanwhile becomes one.
func TestWritersTakeTurns(t *testing.T) {
	const partitions = 4
	kafka, c := brokers(t, partitions)
	hold, release := context.WithCancel(t.Context())
	var deciding, most atomic.Int64
	entered := make(chan struct{}, 100)
	b := startOn(t, kafka, c, func(c *config, s *set) {
		c.MaxCommits = 1
		s.before = func(string) error {
			most.Store(max(most.Load(), deciding.Add(1)))
			defer deciding.Add(-1)
			entered <- struct{}{}
			<-hold.Done()
			return nil
		}
	})
	b.serving()
	b.until(func(Status) bool {
		n := 0
		for _, s := range b.Status() {
			if s.State == Serving {
				n++
			}
		}
		return n == partitions
	})
	var wg sync.WaitGroup
	enqueue := func(p int32, command string) {
		wg.Add(1)
		err := b.Enqueue(p, command, func(_ answer, err error) {
			defer wg.Done()
			if err != nil {
				t.Error(err)
			}
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	enqueue(0, "first")
	<-entered
	for p := range int32(partitions) {
		for n := range 3 {
			enqueue(p, fmt.Sprint(n))
		}
	}
	release()
	wg.Wait()
	if got := most.Load(); got != 1 {
		t.Errorf("partitions that decided at once: got %d, want 1", got)
	}
	for _, s := range b.Status() {
		if want := int64(1); s.Partition > 0 && s.Batches != want {
			t.Errorf("partition %d: got %d transactions, want %d", s.Partition, s.Batches, want)
		}
	}
}
