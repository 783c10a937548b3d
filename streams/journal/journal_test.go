package journal

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/refold/refold/streams/position"
)

func TestCommandsAreAppendedInOrder(t *testing.T) {
	b := start(t).serving()
	var want []string
	var wg sync.WaitGroup
	answers := make([]answer, 500)
	for n := range answers {
		want = append(want, fmt.Sprint(n))
		wg.Add(1)
		err := b.Enqueue(0, want[n], func(a answer, err error) {
			defer wg.Done()
			if err != nil {
				t.Error(err)
			}
			answers[n] = a
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	wg.Wait()
	b.wantLog(want...)
	for n := range answers[1:] {
		if answers[n].offset >= answers[n+1].offset {
			t.Errorf("command %d stands at %d, the one before it at %d", n+1, answers[n+1].offset, answers[n].offset)
		}
	}
	s := b.Status()[0]
	if s.Commands != 500 || s.Records != 500 || s.Batches == 0 || s.Batches > 500 || s.Failures != 0 || s.Next != 500+s.Batches {
		t.Errorf("status: got %+v", s)
	}
}

func TestRecordsBeforeACommandsOwn(t *testing.T) {
	b := start(t).serving()
	hold, release := context.WithCancel(t.Context())
	b.writers[0].machine.(*set).before = func(string) error { <-hold.Done(); return nil }
	var wg sync.WaitGroup
	for _, command := range []string{"1", "2>3", "4>", "5"} {
		wg.Add(1)
		err := b.Enqueue(0, command, func(_ answer, err error) {
			defer wg.Done()
			if err != nil {
				t.Error(err)
			}
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	release()
	wg.Wait()
	b.wantLog("1", "2", "2>3", "4", "5")
}

// A command that finds its value in the batch before it is answered only when that is committed.
func TestDuplicateInABatchWaitsForItsCommit(t *testing.T) {
	b := start(t).serving()
	fault := b.broker.Faults().Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.EndTxn}, Err: kerr.UnknownServerError, Count: 1})
	var mu sync.Mutex
	var got []error
	var wg sync.WaitGroup
	hold, release := context.WithCancel(t.Context())
	w := b.writers[0]
	w.machine.(*set).before = func(string) error { <-hold.Done(); return nil }
	for range 3 {
		wg.Add(1)
		err := b.Enqueue(0, "same", func(_ answer, err error) {
			defer wg.Done()
			mu.Lock()
			defer mu.Unlock()
			got = append(got, err)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	release()
	wg.Wait()
	for _, err := range got {
		if !errors.Is(err, ErrUnavailable) {
			t.Errorf("got %v, want %v", err, ErrUnavailable)
		}
	}
	if fault.Hits() != 1 {
		t.Errorf("faults: got %d, want 1", fault.Hits())
	}
	b.insist("same")
	b.wantLog("same")
}

func TestNotOwner(t *testing.T) {
	k := brokers(t, 1)
	j := New(config{Cluster: k.Cluster, Topic: topicName, NewMachine: func(int32) Machine[string, answer] { return &set{} }})
	if _, err := j.Submit(t.Context(), 0, "a"); !errors.Is(err, ErrNotOwner) {
		t.Errorf("before Run: got %v, want %v", err, ErrNotOwner)
	}
	b := start(t).serving()
	b.stop()
	if _, err := b.submit("a"); !errors.Is(err, ErrNotOwner) {
		t.Errorf("after Run: got %v, want %v", err, ErrNotOwner)
	}
	if got := b.Status(); len(got) != 0 {
		t.Errorf("status after Run: got %v, want none", got)
	}
}

func TestFullQueueIsBusy(t *testing.T) {
	hold, release := context.WithCancel(t.Context())
	deciding := make(chan struct{}, 9)
	b := start(t, func(c *config, s *set) {
		c.MaxQueue, c.MaxBatch = 2, 1
		s.before = func(string) error { deciding <- struct{}{}; <-hold.Done(); return nil }
	}).serving()
	var wg sync.WaitGroup
	enqueue := func(command string) error {
		wg.Add(1)
		err := b.Enqueue(0, command, func(_ answer, err error) {
			defer wg.Done()
			if err != nil {
				t.Error(err)
			}
		})
		if err != nil {
			wg.Done()
		}
		return err
	}
	if err := enqueue("a"); err != nil {
		t.Fatal(err)
	}
	<-deciding // it has left the queue
	for _, command := range []string{"b", "c"} {
		if err := enqueue(command); err != nil {
			t.Errorf("%s: got %v, want room", command, err)
		}
	}
	if err := enqueue("d"); !errors.Is(err, ErrBusy) {
		t.Errorf("got %v, want %v", err, ErrBusy)
	}
	release()
	wg.Wait()
	b.wantLog("a", "b", "c")
}

// A stop finishes the batch under way and answers the rest.
func TestStopFinishesTheBatch(t *testing.T) {
	hold, release := context.WithCancel(t.Context())
	deciding := make(chan struct{}, 1)
	b := start(t, func(c *config, s *set) {
		c.MaxBatch = 1
		s.before = func(string) error { deciding <- struct{}{}; <-hold.Done(); return nil }
	}).serving()
	results := make(chan error, 2)
	for _, command := range []string{"a", "b"} {
		if err := b.Enqueue(0, command, func(_ answer, err error) { results <- err }); err != nil {
			t.Fatal(err)
		}
	}
	<-deciding
	stopped := make(chan struct{})
	go func() { b.stop(); close(stopped) }()
	<-b.stopping
	release()
	if err := <-results; err != nil {
		t.Errorf("batch under way: got %v, want success", err)
	}
	if err := <-results; !errors.Is(err, ErrNotOwner) {
		t.Errorf("behind it: got %v, want %v", err, ErrNotOwner)
	}
	<-stopped
	b.wantLog("a")
}

func TestCallerThatEndsLeavesTheCommand(t *testing.T) {
	hold, release := context.WithCancel(t.Context())
	deciding := make(chan struct{}, 1)
	b := start(t, func(_ *config, s *set) {
		s.before = func(string) error { deciding <- struct{}{}; <-hold.Done(); return nil }
	}).serving()
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-deciding; cancel() }()
	if _, err := b.Submit(ctx, 0, "a"); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
	release()
	b.until(func(s Status) bool { return s.Commands == 1 })
	b.wantLog("a")
}

func TestDecideThatFails(t *testing.T) {
	b := start(t).serving()
	b.insist("before")
	broken := errors.New("broken")
	b.writers[0].machine.(*set).before = func(command string) error {
		if command == "b" {
			return broken
		}
		return nil
	}
	if _, err := b.submit("b"); !errors.Is(err, ErrUnavailable) {
		t.Errorf("got %v, want %v", err, ErrUnavailable)
	}
	b.insist("after")
	b.wantLog("before", "after")
}

// A state that takes longer than Patience to read is waited for, but not by the callers.
func TestSlowStateIsWaitedFor(t *testing.T) {
	ready, now := context.WithCancel(t.Context())
	b := start(t, func(c *config, s *set) {
		c.Patience = time.Second // of which the fence may take most on a busy machine
		s.slow = func(ctx context.Context) error {
			select {
			case <-ready.Done():
				return nil
			case <-ctx.Done():
				return fmt.Errorf("wait: %w", ctx.Err())
			}
		}
	})
	b.until(func(s Status) bool { return s.State == CatchingUp })
	if _, err := b.submit("a"); !errors.Is(err, ErrUnavailable) {
		t.Errorf("got %v, want %v", err, ErrUnavailable)
	}
	if s := b.Status()[0]; s.State != CatchingUp || s.Failures != 0 {
		t.Errorf("status: got %+v, want %s without a failure", s, CatchingUp)
	}
	now()
	b.insist("b")
	b.wantLog("b")
}

// Every partition is served by one of two processes, and by the other when the first one goes.
func TestTwoProcessesShareThePartitions(t *testing.T) {
	k := brokers(t, 4)
	first := startOn(t, k)
	first.serving()
	second := startOn(t, k)
	owned := func() []int32 {
		var out []int32
		for _, s := range slices.Concat(first.Status(), second.Status()) {
			if s.State == Serving {
				out = append(out, s.Partition)
			}
		}
		slices.Sort(out)
		return out
	}
	second.until(func(Status) bool { return len(second.Status()) == 2 && slices.Equal(owned(), []int32{0, 1, 2, 3}) })
	first.stop()
	second.until(func(Status) bool { return slices.Equal(owned(), []int32{0, 1, 2, 3}) })
	for p := range int32(4) {
		if _, err := second.Submit(t.Context(), p, "a"); err != nil {
			t.Errorf("partition %d: %v", p, err)
		}
	}
}

// An owner that was fenced and does not know it knows nothing of what its successor appended: it must not say
// that it is not there.
func TestAbsenceIsProven(t *testing.T) {
	b := start(t).serving()
	if got, err := b.Submit(t.Context(), 0, "?a"); err != nil || got.offset != 0 {
		t.Fatalf("got %v, %v, want that nothing is there", got, err)
	}
	successor, err := fence(t.Context(), b.cfg.Cluster, b.cfg.Prefix, position.Partition{Topic: topicName})
	if err != nil {
		t.Fatal(err)
	}
	defer successor.close()
	err = successor.append(t.Context(), []*kgo.Record{
		{Topic: topicName, Key: []byte("k"), Value: []byte("other")}, {Topic: topicName, Key: []byte("k"), Value: []byte("a")},
	})
	if err != nil {
		t.Fatal(err)
	}
	got, err := b.Submit(t.Context(), 0, "?a")
	if !errors.Is(err, ErrUnavailable) {
		t.Errorf("got %v, %v, want that it is not known", got, err)
	}
	b.until(func(s Status) bool { return s.State == Serving && s.Failures == 1 }) // what comes before is not known either
	if got, err = b.Submit(t.Context(), 0, "?a"); err != nil || got.offset != 1 {
		t.Errorf("got %v, %v, want the record at 1", got, err)
	}
}
