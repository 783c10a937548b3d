package group_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/refold/refold/streams/cluster"
	"github.com/refold/refold/streams/fake"
	"github.com/refold/refold/streams/group"
	"github.com/refold/refold/streams/topic"
)

// share is what one member works on.
type share struct {
	mu      sync.Mutex
	held    []int32       // guarded by mu
	changed chan struct{} // tells that held changed
}

func (s *share) set(change func([]int32) []int32) {
	s.mu.Lock()
	s.held = change(s.held)
	s.mu.Unlock()
	select {
	case s.changed <- struct{}{}:
	default:
	}
}

func (s *share) partitions() []int32 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(slices.Values(s.held))
}

func join(t *testing.T, b *fake.Broker, instance string) (*share, *group.Member) {
	t.Helper()
	return joinAt(t, b, instance, "")
}

func joinAt(t *testing.T, b *fake.Broker, instance, address string) (*share, *group.Member) {
	t.Helper()
	s := &share{changed: make(chan struct{}, 1)}
	m, err := group.Join(t.Context(), b.Cluster, group.Config{
		Group: "g", Topic: topic.Transactions, Instance: instance, Address: address,
		Assigned: func(p []int32) { s.set(func(h []int32) []int32 { return append(h, p...) }) },
		Revoked: func(p []int32) {
			s.set(func(h []int32) []int32 {
				return slices.DeleteFunc(h, func(x int32) bool { return slices.Contains(p, x) })
			})
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return s, m
}

// until waits for a share of the wanted size.
func (s *share) until(t *testing.T, n int) []int32 {
	t.Helper()
	deadline := time.After(time.Minute)
	for len(s.partitions()) != n {
		select {
		case <-s.changed:
		case <-deadline:
			t.Fatalf("got %v, want %d partitions", s.partitions(), n)
		}
	}
	return s.partitions()
}

func TestPartitionsAreSharedOutAndGivenBack(t *testing.T) {
	b := fake.New(t, 4)
	one, first := join(t, b, "one")
	one.until(t, 4)
	two, second := join(t, b, "two")
	both := append(two.until(t, 2), one.until(t, 2)...)
	slices.Sort(both)
	if got, want := fmt.Sprint(both), "[0 1 2 3]"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	first.Close()
	if got := one.partitions(); len(got) != 0 {
		t.Errorf("a member that left works on %v", got)
	}
	second.Close()
}

func TestCommitIsForTools(t *testing.T) {
	b := fake.New(t, 2)
	s, m := join(t, b, "one")
	defer m.Close()
	s.until(t, 2)
	if err := m.Commit(t.Context(), cluster.Offsets{0: 5, 1: 7}); err != nil {
		t.Fatal(err)
	}
	client, err := b.Client()
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	got, err := kadm.NewClient(client).FetchOffsets(t.Context(), "g")
	if err != nil {
		t.Fatal(err)
	}
	for p, want := range map[int32]int64{0: 5, 1: 7} {
		if o, ok := got.Lookup(topic.Transactions, p); !ok || o.At != want {
			t.Errorf("partition %d: got %d, want %d", p, o.At, want)
		}
	}
}
