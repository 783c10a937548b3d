// Package fake is a broker for tests: one in memory, with a real port and real Kafka requests and nothing on disk, or,
// where REFOLD_KAFKA names one, a real Kafka that was made for tests and holds nothing else.
package fake

import (
	"maps"
	"os"
	"slices"
	"sync"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/refold/refold/streams/cluster"
	"github.com/refold/refold/streams/topic"
)

// Broker is a broker with the topics of Refold, and a producer for it. It ends with its test.
type Broker struct {
	cluster.Cluster

	kafka    *kfake.Cluster // nil where it is a real one
	t        testing.TB
	producer *kgo.Client
}

// New starts a broker whose topics of the bank have the given number of partitions.
func New(t testing.TB, partitions int32) *Broker {
	t.Helper()
	b := Empty(t)
	var err error
	if b.producer, err = b.Client(kgo.TransactionalID("fake"), kgo.RecordPartitioner(kgo.ManualPartitioner())); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.producer.Close)
	if _, err := topic.Ensure(t.Context(), b.producer, topic.All(partitions)); err != nil {
		t.Fatal(err)
	}
	return b
}

// Empty starts a broker without topics, to which nothing can be committed by this package.
func Empty(t testing.TB) *Broker {
	t.Helper()
	b := &Broker{t: t, Cluster: cluster.Cluster{ClientID: "test"}}
	if at := os.Getenv(realKafka); at != "" {
		b.Seeds = []string{at}
		b.admin(empty)
		return b
	}
	k, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(k.Close)
	b.kafka, b.Seeds = k, k.ListenAddrs()
	return b
}

// Faults returns the broker itself, for the faults that a test wants. A real one makes none when it is told to: there
// the test is skipped.
func (b *Broker) Faults() *kfake.Cluster {
	b.t.Helper()
	if b.kafka == nil {
		b.t.Skip("skipped: a real broker makes no faults when it is told to")
	}
	return b.kafka
}

// Record is a record to be written.
type Record struct {
	Topic      string
	Partition  int32
	Key, Value []byte
}

// Commit writes records of one topic in one transaction, and returns when they can be read.
func (b *Broker) Commit(records ...Record) {
	b.t.Helper()
	marked := b.write(records)
	if err := cluster.Commit(b.t.Context(), b.producer, records[0].Topic, slices.Collect(maps.Keys(marked))...); err != nil {
		b.t.Fatal(err)
	}
	b.await(records[0].Topic, marked)
}

// Abort writes records of one topic in a transaction that is aborted, and returns when it is.
func (b *Broker) Abort(records ...Record) {
	b.t.Helper()
	marked := b.write(records)
	if err := b.producer.EndTransaction(b.t.Context(), kgo.TryAbort); err != nil {
		b.t.Fatal(err)
	}
	b.await(records[0].Topic, marked)
}

// write returns where each partition ends when the transaction has.
func (b *Broker) write(records []Record) cluster.Offsets {
	b.t.Helper()
	marked := make(cluster.Offsets)
	var mu sync.Mutex // guards marked
	if err := b.producer.BeginTransaction(); err != nil {
		b.t.Fatal(err)
	}
	ctx := b.t.Context()
	for _, r := range records {
		rec := &kgo.Record{Topic: r.Topic, Partition: r.Partition, Key: r.Key, Value: r.Value}
		b.producer.Produce(ctx, rec, func(r *kgo.Record, err error) {
			if err != nil {
				b.t.Errorf("produce: %v", err)
			}
			mu.Lock()
			defer mu.Unlock()
			marked[r.Partition] = max(marked[r.Partition], r.Offset+2)
		})
	}
	if err := b.producer.Flush(ctx); err != nil {
		b.t.Fatal(err)
	}
	return marked
}

// await waits until partitions are as long as they must be: a broker may answer the end of a transaction before it
// writes its marker.
func (b *Broker) await(name string, ends cluster.Offsets) {
	b.t.Helper()
	admin, ctx := kadm.NewClient(b.producer), b.t.Context()
	for p, end := range ends {
		for {
			listed, err := admin.ListEndOffsets(ctx, name)
			if err != nil {
				b.t.Fatal(err)
			}
			if o, _ := listed.Lookup(name, p); o.Offset >= end {
				break
			}
		}
	}
}

// Ends returns the ends of a topic's partitions.
func (b *Broker) Ends(name string) cluster.Offsets {
	b.t.Helper()
	ends, err := cluster.Ends(b.t.Context(), b.producer, name)
	if err != nil {
		b.t.Fatal(err)
	}
	return ends
}
