package effect_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/refold/refold/streams/cluster"
	"github.com/refold/refold/streams/effect"
	"github.com/refold/refold/streams/fake"
	"github.com/refold/refold/streams/group"
	"github.com/refold/refold/streams/position"
	"github.com/refold/refold/streams/timeline"
	"github.com/refold/refold/streams/topic"
)

const partitions = 2

type fixture struct {
	*testing.T
	broker *fake.Broker
}

// join makes a member and waits until it holds at least one partition.
func (f *fixture) join() *group.Member {
	f.Helper()
	assigned := make(chan struct{}, 100)
	m, err := group.Join(f.Context(), f.broker.Cluster, group.Config{
		Group: "g", Topic: topic.Transactions,
		Assigned: func([]int32) { assigned <- struct{}{} },
		Revoked:  func([]int32) {},
	})
	if err != nil {
		f.Fatal(err)
	}
	select {
	case <-assigned:
	case <-time.After(20 * time.Second):
		f.Fatal("the member gets no partition")
	}
	return m
}

func (f *fixture) open(id string) *effect.Writer {
	f.Helper()
	w, err := effect.Open(f.Context(), f.broker.Cluster, id)
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(w.Close)
	return w
}

// records returns one record for each value, in the partition of its position.
func records(values ...string) (out []effect.Record) {
	for i, v := range values {
		out = append(out, effect.Record{At: position.Partition{Topic: topic.Notifications, Partition: int32(i % partitions)}, Value: []byte(v)})
	}
	return out
}

// values returns what a reader of committed records sees, in any order, once nothing is open.
func (f *fixture) values(w *effect.Writer) map[string]int {
	f.Helper()
	ctx, cancel := context.WithTimeout(f.Context(), 20*time.Second)
	defer cancel()
	ends, err := w.Ends(ctx, topic.Notifications)
	if err != nil {
		f.Fatal(err)
	}
	spans := make(map[int32]timeline.Span)
	for at, end := range ends {
		spans[at.Partition] = timeline.Span{End: end}
	}
	seen := make(map[string]int)
	err = timeline.Scan(ctx, f.broker.Cluster, topic.Notifications, spans, func(b timeline.Batch) error {
		for _, r := range b.Records {
			seen[string(r.Value)]++
		}
		return nil
	})
	if err != nil {
		f.Fatal(err)
	}
	return seen
}

func done(m group.Membership, next int64) effect.Done {
	return effect.Done{Member: m, Topic: topic.Transactions, Next: cluster.Offsets{0: next}}
}

func TestReleaseIsSeenWhole(t *testing.T) {
	f := &fixture{t, fake.New(t, partitions)}
	m := f.join()
	defer m.Close()
	w := f.open("a")
	for i, v := range []string{"one", "two"} {
		ends, err := w.Release(t.Context(), records(v, v), done(m.Membership(), int64(i)))
		if err != nil {
			t.Fatal(err)
		}
		if want := int64(2*i + 1); ends[position.Partition{Topic: topic.Notifications, Partition: 1}] != want {
			t.Errorf("got the ends %v, want %d", ends, want)
		}
	}
	if seen := f.values(w); seen["one"] != 2 || seen["two"] != 2 {
		t.Errorf("got %v", seen)
	}
}

// KIP-447: who began its work as a member of an older generation publishes nothing any more.
func TestAStaleMemberCannotCommit(t *testing.T) {
	f := &fixture{t, fake.New(t, partitions)}
	first := f.join()
	defer first.Close()
	stale := first.Membership()
	second := f.join() // shares the partitions anew
	defer second.Close()
	zombie, next := f.open("a"), f.open("b")
	if _, err := zombie.Release(t.Context(), records("stale"), done(stale, 1)); err == nil {
		t.Error("it was committed")
	}
	zombie.Close()
	// What the zombie has produced hangs open until somebody takes its transactional id.
	f.open("a")
	if seen := f.values(next); len(seen) != 0 {
		t.Errorf("got %v, want nothing", seen)
	}
	if _, err := next.Release(t.Context(), records("true"), done(second.Membership(), 1)); err != nil {
		t.Fatal(err)
	}
	if seen := f.values(next); seen["true"] != 1 || len(seen) != 1 {
		t.Errorf("got %v", seen)
	}
}

func TestNoMemberCannotCommit(t *testing.T) {
	f := &fixture{t, fake.New(t, partitions)}
	if _, err := f.open("a").Release(t.Context(), records("x"), done(group.Membership{Group: "g"}, 1)); !errors.Is(err, effect.ErrNoMember) {
		t.Errorf("got %v, want %v", err, effect.ErrNoMember)
	}
}

func TestEndsWaitForWhatIsOpen(t *testing.T) {
	f := &fixture{t, fake.New(t, partitions)}
	zombie := f.open("a")
	if _, err := zombie.Release(t.Context(), records("x"), done(group.Membership{Group: "g"}, 1)); err == nil {
		t.Fatal("it was committed") // and is open now
	}
	w := f.open("b")
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if ends, err := w.Ends(ctx, topic.Notifications); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, %v, want to wait", ends, err)
	}
	f.open("a")
	if seen := f.values(w); len(seen) != 0 {
		t.Errorf("got %v, want nothing", seen)
	}
}

func TestARecordSaysWhoMadeIt(t *testing.T) {
	f := &fixture{t, fake.New(t, partitions)}
	m := f.join()
	defer m.Close()
	made := records("of somebody", "of nobody")
	made[0].Origin = "somebody"
	if _, err := f.open("a").Release(t.Context(), made, done(m.Membership(), 1)); err != nil {
		t.Fatal(err)
	}
	found := make(map[string]string)
	spans := map[int32]timeline.Span{0: {End: 1}, 1: {End: 1}}
	err := timeline.Scan(t.Context(), f.broker.Cluster, topic.Notifications, spans, func(b timeline.Batch) error {
		for _, r := range b.Records {
			found[string(r.Value)] = effect.OriginOf(r)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(found) != 2 || found["of somebody"] != "somebody" || found["of nobody"] != "" {
		t.Errorf("got %q", found)
	}
}
