package topic_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/refold/refold/streams/fake"
	"github.com/refold/refold/streams/topic"
)

func TestEnsureIsRepeatable(t *testing.T) {
	b := fake.New(t, 3) // has made the topics once
	client := connect(t, b)
	if err := topic.Ensure(t.Context(), client, topic.All(3)); err != nil {
		t.Error(err)
	}
	if err := topic.Ensure(t.Context(), client, topic.All(4)); !errors.Is(err, topic.ErrPartitions) {
		t.Errorf("another number of partitions: got %v", err)
	}
}

func TestEnsureRefusesRetention(t *testing.T) {
	b := fake.New(t, 3)
	b.Create("short", 1, map[string]string{"retention.ms": "1000"})
	wanted := []topic.Topic{{Name: "short", Partitions: 1, Config: map[string]string{"retention.ms": "-1"}}}
	if err := topic.Ensure(t.Context(), connect(t, b), wanted); err == nil || !strings.Contains(err.Error(), "retention.ms") {
		t.Errorf("got %v", err)
	}
}

func connect(t *testing.T, b *fake.Broker) *kgo.Client {
	t.Helper()
	client, err := b.Client()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

// A record that any Kafka client writes with its default partitioner must lie where Of says.
func TestOfIsTheDefaultPartitioner(t *testing.T) {
	b := fake.New(t, 7)
	client := connect(t, b)
	for i := range 50 {
		key := fmt.Sprintf("customer-%d", i)
		rec := &kgo.Record{Topic: topic.Transactions, Key: []byte(key)}
		if err := client.ProduceSync(t.Context(), rec).FirstErr(); err != nil {
			t.Fatal(err)
		}
		if got := topic.Of(key, 7); got != rec.Partition {
			t.Errorf("%s: got %d, want %d", key, got, rec.Partition)
		}
	}
	// The value that Kafka's own tests give for murmur2 of "21" is -973932308.
	if got, want := topic.Of("21", 1000), int32((-973932308&0x7fffffff)%1000); got != want {
		t.Errorf("got %d, want %d", got, want)
	}
}
