package journal

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// KW-3: a transaction of three produce requests, the second of which fails.
func TestKW3ProduceFailsInTheMiddle(t *testing.T) {
	b := start(t).serving()
	b.insist("before")
	produced := 0
	b.broker.Faults().Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.InvalidRecord, When: func(kmsg.Request) bool {
		produced++
		return produced == 2
	}})
	big := func(s string) string { return strings.Repeat(s, 600_000) }
	hold, release := context.WithCancel(t.Context())
	b.writers[0].machine.(*set).before = func(string) error { <-hold.Done(); return nil }
	results := make(chan error, 3)
	for _, command := range []string{big("a"), big("b"), big("c")} {
		if err := b.Enqueue(0, command, func(_ answer, err error) { results <- err }); err != nil {
			t.Fatal(err)
		}
	}
	release()
	for range 3 {
		if err := <-results; !errors.Is(err, ErrUnavailable) {
			t.Errorf("got %v, want %v", err, ErrUnavailable)
		}
	}
	if produced < 2 {
		t.Errorf("produce requests: got %d, want at least 2", produced)
	}
	b.wantLog("before")
	b.insist("after")
	b.wantLog("before", "after")
}

func TestKW4CommitAppliedReplyLost(t *testing.T) {
	for name, code := range map[string]*kerr.Error{"error": kerr.UnknownServerError, "connection closed": nil} {
		t.Run(name, func(t *testing.T) {
			b := start(t).serving()
			b.insist("before")
			appliedThenFailed(t, b.broker, code)
			a, err := b.submit("a")
			if err != nil || a.offset != 2 {
				t.Errorf("got %+v, %v, want the outcome at offset 2", a, err)
			}
			b.insist("after")
			b.wantLog("before", "a", "after")
		})
	}
}

func TestKW5CommitLostBeforeApply(t *testing.T) {
	b := start(t).serving()
	b.insist("before")
	b.broker.Faults().Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.EndTxn}, Err: kerr.UnknownServerError})
	if _, err := b.submit("a"); !errors.Is(err, ErrUnavailable) {
		t.Errorf("got %v, want %v", err, ErrUnavailable)
	}
	b.wantLog("before")
	if a := b.insist("a"); a.replayed {
		t.Errorf("got %+v, want a first answer: the key is not spent", a)
	}
	b.wantLog("before", "a")
}

// What is queued behind a lost batch is not decided: it must not overtake what was sent before it.
func TestLostBatchTakesTheQueueWithIt(t *testing.T) {
	b := start(t, func(c *config, _ *set) { c.MaxBatch = 1 }).serving()
	hold, release := context.WithCancel(t.Context())
	b.writers[0].machine.(*set).before = func(string) error { <-hold.Done(); return nil }
	b.broker.Faults().Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.EndTxn}, Err: kerr.ProducerFenced})
	results := make(chan error, 3)
	for _, command := range []string{"a", "b", "c"} {
		if err := b.Enqueue(0, command, func(_ answer, err error) { results <- err }); err != nil {
			t.Fatal(err)
		}
	}
	release()
	for range 3 {
		if err := <-results; !errors.Is(err, ErrUnavailable) {
			t.Errorf("got %v, want %v", err, ErrUnavailable)
		}
	}
	b.wantLog()
}

// KW-7, and KW-23: nothing is acknowledged while the broker takes nothing, nobody waits for ever, and it
// goes on by itself.
func TestKW7NotEnoughReplicas(t *testing.T) {
	b := start(t, func(c *config, _ *set) { c.Patience = time.Second }).serving()
	fault := b.broker.Faults().Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce, kmsg.InitProducerID}, Err: kerr.NotEnoughReplicas, Count: -1})
	for n := range 3 {
		begun := time.Now()
		if _, err := b.submit(fmt.Sprint(n)); !errors.Is(err, ErrUnavailable) {
			t.Errorf("got %v, want %v", err, ErrUnavailable)
		}
		if took := time.Since(begun); took > 10*time.Second {
			t.Errorf("waited %s", took)
		}
	}
	fault.Remove()
	b.insist("after")
	b.wantLog("after")
}

func TestKW11WaitsForAHangingTransaction(t *testing.T) {
	k := brokers(t, 1)
	other, err := k.Client(kgo.TransactionalID("somebody"), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if err := errors.Join(other.BeginTransaction(), other.ProduceSync(t.Context(), record("hanging")).FirstErr()); err != nil {
		t.Fatal(err)
	}
	b := startOn(t, k)
	b.until(func(s Status) bool { return strings.Contains(s.Problem, errHanging.Error()) })
	if _, err := b.submit("a"); !errors.Is(err, ErrUnavailable) {
		t.Errorf("got %v, want %v", err, ErrUnavailable)
	}
	if err := other.EndTransaction(t.Context(), kgo.TryCommit); err != nil {
		t.Fatal(err)
	}
	b.insist("a")
	b.wantLog("hanging", "a")
}

func TestKW12TailOfAbortedRecords(t *testing.T) {
	k := brokers(t, 1)
	f := take(t, k.Cluster)
	if err := f.client.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	if err := f.produce(t.Context(), []*kgo.Record{record("x"), record("y")}); err != nil {
		t.Fatal(err)
	}
	if err := f.client.EndTransaction(t.Context(), kgo.TryAbort); err != nil {
		t.Fatal(err)
	}
	b := startOn(t, k)
	if a := b.insist("a"); a.offset != 3 {
		t.Errorf("got %+v, want offset 3", a)
	}
	b.wantLog("a")
}
