package topic_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/refold/refold/streams/fake"
	"github.com/refold/refold/streams/topic"
)

func TestEnsureIsRepeatable(t *testing.T) {
	b := fake.New(t, 3) // has made the topics once
	client := connect(t, b)
	if _, err := topic.Ensure(t.Context(), client, topic.All(3)); err != nil {
		t.Error(err)
	}
	if _, err := topic.Ensure(t.Context(), client, topic.All(4)); !errors.Is(err, topic.ErrPartitions) {
		t.Errorf("another number of partitions: got %v", err)
	}
}

func TestEnsureRefusesRetention(t *testing.T) {
	b := fake.New(t, 3)
	b.Create("short", 1, map[string]string{"retention.ms": "1000"})
	wanted := []topic.Topic{{Name: "short", Partitions: 1, Config: map[string]string{"retention.ms": "-1"}}}
	if _, err := topic.Ensure(t.Context(), connect(t, b), wanted); err == nil || !strings.Contains(err.Error(), "retention.ms") {
		t.Errorf("got %v", err)
	}
}

// What was acknowledged must not be lost with one broker of three, nor by the choice of a leader that does not have it.
func TestEnsureRefusesWhatLosesFacts(t *testing.T) {
	for key, c := range map[string]struct {
		brokers int
		config  map[string]string
		want    string
	}{
		"min ISR":  {3, map[string]string{"min.insync.replicas": "1"}, "topic t: min.insync.replicas is 1 and must be 2 or more"},
		"made":     {3, nil, ""}, // it is made to want two
		"two":      {2, map[string]string{"min.insync.replicas": "1"}, ""},
		"right":    {3, map[string]string{"min.insync.replicas": "2"}, ""},
		"unclean":  {1, map[string]string{"unclean.leader.election.enable": "true"}, "topic t: unclean.leader.election.enable is true and must be false"},
		"compacts": {1, map[string]string{"cleanup.policy": "compact"}, `topic t: cleanup.policy is "compact" and must be "delete"`},
	} {
		k, err := kfake.NewCluster(kfake.NumBrokers(c.brokers))
		if err != nil {
			t.Fatal(err)
		}
		client, err := kgo.NewClient(kgo.SeedBrokers(k.ListenAddrs()...))
		if err != nil {
			t.Fatal(err)
		}
		_, err = topic.Ensure(t.Context(), client, []topic.Topic{{Name: "t", Partitions: 1, Config: c.config}})
		if err != nil && c.want == "" {
			t.Errorf("%s: make it: %v", key, err)
		}
		_, err = topic.Ensure(t.Context(), client, []topic.Topic{{Name: "t", Partitions: 1, Config: map[string]string{"cleanup.policy": "delete"}}})
		if c.want == "" && err != nil || c.want != "" && (err == nil || err.Error() != c.want && !strings.HasPrefix(err.Error(), c.want)) {
			t.Errorf("%s: got %v, want %q", key, err, c.want)
		}
		client.Close()
		k.Close()
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
