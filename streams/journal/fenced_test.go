package journal

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/refold/refold/streams/cluster"
	"github.com/refold/refold/streams/position"
)

func record(value string) *kgo.Record {
	return &kgo.Record{Topic: topicName, Partition: 0, Value: []byte(value)}
}

func take(t *testing.T, c cluster.Cluster) *fenced {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	f, err := fence(ctx, c, "", position.Partition{Topic: topicName})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.close)
	return f
}

// The first transaction of a client is the one that the library may abort and call committed.
func TestFirstTransactionIsCommitted(t *testing.T) {
	k := brokers(t, 1)
	const clients = 300
	end := int64(0)
	for n := range clients {
		f := take(t, k.Cluster)
		if err := f.append(t.Context(), []*kgo.Record{record(fmt.Sprint(n))}); err != nil {
			t.Fatal(err)
		}
		end = f.next
		f.close()
	}
	if got := len(committed(t, k.Cluster, 0, end)); got != clients {
		t.Errorf("committed records: got %d, want %d", got, clients)
	}
}

func TestFenceEndsTheWriterBefore(t *testing.T) {
	k := brokers(t, 1)
	first := take(t, k.Cluster)
	if err := first.append(t.Context(), []*kgo.Record{record("a")}); err != nil {
		t.Fatal(err)
	}
	second := take(t, k.Cluster)
	if err := first.append(t.Context(), []*kgo.Record{record("lost")}); err == nil {
		t.Error("the writer before: got success, want an error")
	}
	if err := second.append(t.Context(), []*kgo.Record{record("b")}); err != nil {
		t.Fatal(err)
	}
	if got, want := fmt.Sprint(committed(t, k.Cluster, 0, second.next)), "[a b]"; got != want {
		t.Errorf("log: got %s, want %s", got, want)
	}
}

// KW-1: the writer before stops between its records and its commit, and goes on when another has fenced it and has
// committed once. A broker takes a commit of the epoch before the present one for a repeated one (KIP-890): every commit
// must raise the epoch, so that this one is of an older.
func TestKW1AStaleCommitIsNoRepeatedOne(t *testing.T) {
	k := brokers(t, 1)
	first := take(t, k.Cluster)
	if err := first.append(t.Context(), []*kgo.Record{record("a")}); err != nil {
		t.Fatal(err)
	}
	if err := first.client.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	if err := first.produce(t.Context(), []*kgo.Record{record("lost")}); err != nil {
		t.Fatal(err)
	}
	second := take(t, k.Cluster)
	if err := second.append(t.Context(), []*kgo.Record{record("b")}); err != nil {
		t.Fatal(err)
	}
	if err := cluster.Commit(t.Context(), first.client, topicName, 0); err == nil {
		t.Error("what was aborted is called committed")
	}
	if got, want := fmt.Sprint(committed(t, k.Cluster, 0, second.next)), "[a b]"; got != want {
		t.Errorf("log: got %s, want %s", got, want)
	}
}

// KW-1: the writer before stops between its records and its commit, and goes on after the fence.
func TestKW1FenceEndsAnOpenTransaction(t *testing.T) {
	k := brokers(t, 1)
	first := take(t, k.Cluster)
	if err := first.client.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	if err := first.produce(t.Context(), []*kgo.Record{record("lost")}); err != nil {
		t.Fatal(err)
	}
	second := take(t, k.Cluster)
	if second.next != 2 {
		t.Errorf("captured end: got %d, want 2, behind the record and the marker that aborts it", second.next)
	}
	if err := cluster.Commit(t.Context(), first.client, first.at.Topic, first.at.Partition); err == nil {
		t.Error("commit of the writer before: got success, want an error")
	}
	if err := second.append(t.Context(), []*kgo.Record{record("a")}); err != nil {
		t.Fatal(err)
	}
	if got, want := fmt.Sprint(committed(t, k.Cluster, 0, second.next)), "[a]"; got != want {
		t.Errorf("log: got %s, want %s", got, want)
	}
}

// KW-10 at the level of the log: what a foreign producer wrote is noticed before anything is committed.
func TestKW10ForeignRecordIsNoticed(t *testing.T) {
	k := brokers(t, 1)
	f := take(t, k.Cluster)
	client, err := k.Client(kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if err := client.ProduceSync(t.Context(), record("foreign")).FirstErr(); err != nil {
		t.Fatal(err)
	}
	if err := f.append(t.Context(), []*kgo.Record{record("a")}); !errors.Is(err, errForeign) {
		t.Errorf("got %v, want %v", err, errForeign)
	}
	if got := take(t, k.Cluster).next; got != 3 {
		t.Errorf("captured end: got %d, want 3", got)
	}
	if got, want := fmt.Sprint(committed(t, k.Cluster, 0, 3)), "[foreign]"; got != want {
		t.Errorf("log: got %s, want %s", got, want)
	}
}

func TestKW11HangingTransactionIsNamed(t *testing.T) {
	k := brokers(t, 1)
	other, err := k.Client(kgo.TransactionalID("somebody"), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if err := other.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	if err := other.ProduceSync(t.Context(), record("hanging")).FirstErr(); err != nil {
		t.Fatal(err)
	}
	id, _, err := other.ProducerID(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	_, err = fence(t.Context(), k.Cluster, "", position.Partition{Topic: topicName})
	if !errors.Is(err, errHanging) || !strings.Contains(err.Error(), fmt.Sprint("producer id ", id)) {
		t.Errorf("got %v, want %v and the producer id %d", err, errHanging, id)
	}
	if err := other.EndTransaction(t.Context(), kgo.TryAbort); err != nil {
		t.Fatal(err)
	}
	if got := take(t, k.Cluster).next; got != 2 {
		t.Errorf("captured end: got %d, want 2", got)
	}
}

func TestAppendEndsWithItsContext(t *testing.T) {
	k := brokers(t, 1)
	f := take(t, k.Cluster)
	k.Faults().Close()
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if err := f.append(ctx, []*kgo.Record{record("a")}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want %v", err, context.DeadlineExceeded)
	}
}
