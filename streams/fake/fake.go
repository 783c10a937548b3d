// Package fake is a broker in memory for tests: a real port, real Kafka requests, nothing on disk.
package fake

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/refold/refold/streams/cluster"
	"github.com/refold/refold/streams/topic"
)

// Broker is a broker with the topics of Refold, and a producer for it. It ends with its test.
type Broker struct {
	cluster.Cluster
	// Kafka is the broker itself, for the faults that a test wants.
	Kafka *kfake.Cluster

	t        testing.TB
	producer *kgo.Client
}

// New starts a broker whose topics of the bank have the given number of partitions.
func New(t testing.TB, partitions int32) *Broker {
	t.Helper()
	k, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(k.Close)
	b := &Broker{Cluster: cluster.Cluster{Seeds: k.ListenAddrs(), ClientID: "test"}, Kafka: k, t: t}
	if b.producer, err = b.Client(kgo.TransactionalID("fake"), kgo.RecordPartitioner(kgo.ManualPartitioner())); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.producer.Close)
	if err := topic.Ensure(t.Context(), b.producer, topic.All(partitions)); err != nil {
		t.Fatal(err)
	}
	return b
}

// Record is a record to be written.
type Record struct {
	Topic      string
	Partition  int32
	Key, Value []byte
}

// Commit writes records of one topic in one transaction.
func (b *Broker) Commit(records ...Record) {
	b.t.Helper()
	b.write(records)
	var partitions []int32
	for _, r := range records {
		partitions = append(partitions, r.Partition)
	}
	if err := cluster.Commit(b.t.Context(), b.producer, records[0].Topic, partitions...); err != nil {
		b.t.Fatal(err)
	}
}

// Abort writes records in a transaction that is aborted.
func (b *Broker) Abort(records ...Record) {
	b.t.Helper()
	b.write(records)
	if err := b.producer.EndTransaction(b.t.Context(), kgo.TryAbort); err != nil {
		b.t.Fatal(err)
	}
}

func (b *Broker) write(records []Record) {
	b.t.Helper()
	if err := b.producer.BeginTransaction(); err != nil {
		b.t.Fatal(err)
	}
	ctx := b.t.Context()
	for _, r := range records {
		rec := &kgo.Record{Topic: r.Topic, Partition: r.Partition, Key: r.Key, Value: r.Value}
		b.producer.Produce(ctx, rec, func(_ *kgo.Record, err error) {
			if err != nil {
				b.t.Errorf("produce: %v", err)
			}
		})
	}
	if err := b.producer.Flush(ctx); err != nil {
		b.t.Fatal(err)
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
