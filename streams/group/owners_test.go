package group_test

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/refold/refold/streams/fake"
	"github.com/refold/refold/streams/group"
	"github.com/refold/refold/streams/topic"
)

func owners(t *testing.T, b *fake.Broker) *group.Owners {
	t.Helper()
	o, err := group.OpenOwners(b.Cluster, "g", topic.Transactions)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(o.Close)
	return o
}

// until waits until the group names an owner for every partition as it is wanted.
func until(t *testing.T, o *group.Owners, want ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for {
		var got []string
		for p := range int32(len(want)) {
			owner, err := o.Of(ctx, p, 0)
			if err != nil {
				t.Fatalf("got %v, %v, want %v", got, err, want)
			}
			got = append(got, owner)
		}
		if slices.Equal(got, want) {
			return
		}
	}
}

func TestTheGroupSaysWhoOwnsWhat(t *testing.T) {
	b := fake.New(t, 2)
	o := owners(t, b)
	if got, err := o.Of(t.Context(), 0, 0); !errors.Is(err, group.ErrNobody) {
		t.Errorf("got %q, %v, want that nobody is there", got, err)
	}
	one, first := joinAt(t, b, "one", "a:1")
	one.until(t, 2)
	until(t, o, "a:1", "a:1")
	two, second := joinAt(t, b, "two", "b:2")
	defer second.Close()
	mine := two.until(t, 1)[0]
	want := []string{"a:1", "a:1"}
	want[mine] = "b:2"
	until(t, o, want...)

	// A member with a name leaves: the other has everything long before a session times out.
	begun := time.Now()
	if err := first.Leave(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := one.partitions(); len(got) != 0 {
		t.Errorf("a member that left works on %v", got)
	}
	two.until(t, 2)
	if took := time.Since(begun); took > 8*time.Second {
		t.Errorf("the partitions of a member that left were nobody's for %v", took)
	}
	until(t, o, "b:2", "b:2")
	if err := first.Leave(t.Context()); err != nil {
		t.Errorf("leaving twice: %v", err)
	}
}

// An instance that comes back elsewhere is not named by where it was.
func TestAnInstanceThatMovedIsKnownByItsAddress(t *testing.T) {
	b := fake.New(t, 1)
	one, first := joinAt(t, b, "one", "a:1")
	one.until(t, 1)
	first.Close()
	again, second := joinAt(t, b, "one", "b:2")
	defer second.Close()
	again.until(t, 1)
	until(t, owners(t, b), "b:2")
}

// A process that starts while the brokers are away joins when they are back.
func TestBrokersThatAreAwayAreWaitedFor(t *testing.T) {
	b := fake.New(t, 1)
	var asked atomic.Int64
	b.Faults().ControlKey(kmsg.DescribeGroups.Int16(), func(kmsg.Request) (kmsg.Response, error, bool) {
		b.Faults().KeepControl()
		return nil, errors.New("gone"), asked.Add(1) <= 8
	})
	s, m := joinAt(t, b, "one", "a:1")
	defer m.Close()
	s.until(t, 1)
	ctx, cancel := context.WithCancel(t.Context())
	asked.Store(-1 << 40)
	cancel()
	if _, err := group.Join(ctx, b.Cluster, group.Config{Group: "g", Topic: topic.Transactions, Instance: "two", Address: "b:2"}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want that it was told to stop", err)
	}
}

// Who is content with what is known does not wait for a broker that does not answer somebody else.
func TestWhatIsKnownIsToldAtOnce(t *testing.T) {
	b := fake.New(t, 1)
	o := owners(t, b)
	one, m := joinAt(t, b, "one", "a:1")
	defer m.Close()
	one.until(t, 1)
	until(t, o, "a:1")
	ctx, cancel := context.WithCancel(t.Context())
	asked := make(chan struct{}, 100)
	b.Faults().ControlKey(kmsg.DescribeGroups.Int16(), func(kmsg.Request) (kmsg.Response, error, bool) {
		asked <- struct{}{}
		<-ctx.Done()
		return nil, errors.New("gone"), true
	})
	done := make(chan error, 2)
	ask := func() {
		_, err := o.Of(ctx, 0, 0)
		done <- err
	}
	go ask()
	<-asked
	go ask() // waits for the answer to the first, or for its context
	soon, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	if got, err := o.Of(soon, 0, time.Hour); got != "a:1" || err != nil {
		t.Errorf("got %q, %v, want a:1", got, err)
	}
	cancel()
	for range 2 {
		if err := <-done; err == nil {
			t.Error("got an answer of a broker that gave none")
		}
	}
}
