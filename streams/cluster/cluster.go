// Package cluster is how every part of Refold reaches Kafka: one set of addresses and credentials, from
// which each part makes its own client.
package cluster

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/refold/refold/streams/secure"
)

// Cluster says where the brokers are. The zero value is of no use; Seeds must name at least one.
type Cluster struct {
	// Seeds are brokers to begin with, HOST:PORT.
	Seeds []string
	// ClientID is what the brokers' logs call this process.
	ClientID string
	// TLS and Login are how connections are encrypted, and who this process says that it is.
	TLS   secure.TLS
	Login Login
	// Dial makes the connections to the brokers; TCP, or TLS where that is on, where it is nil.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// Client returns a new client. The caller closes it. No connection is made before the first request.
func (c Cluster) Client(opts ...kgo.Opt) (*kgo.Client, error) {
	base := []kgo.Opt{
		kgo.SeedBrokers(c.Seeds...),
		kgo.ClientID(c.ClientID),
		// A transaction begun right after a commit meets CONCURRENT_TRANSACTIONS; the library's own
		// back-offs turn a commit of 4 ms into one of 25 ms and now and then into seconds.
		kgo.RetryBackoffFn(backoff),
		kgo.ConcurrentTransactionsBackoff(time.Millisecond),
		kgo.MetadataMinAge(100 * time.Millisecond),
	}
	switch {
	case c.Dial != nil:
		base = append(base, kgo.Dialer(c.Dial))
	case c.TLS.On:
		base = append(base, kgo.Dialer(c.TLS.DialContext))
	}
	if c.Login.Mechanism != "" {
		base = append(base, kgo.SASL(c.Login.mechanism()))
	}
	client, err := kgo.NewClient(append(base, opts...)...)
	if err != nil {
		return nil, fmt.Errorf("kafka client for %v: %w", c.Seeds, err)
	}
	return client, nil
}

func backoff(tries int) time.Duration {
	return min(time.Millisecond<<min(tries, 10), time.Second)
}

// Offsets maps the partitions of one topic to offsets.
type Offsets map[int32]int64

// ErrNoTopic is wrapped where a topic is asked about that the broker does not have.
var ErrNoTopic = errors.New("there is no such topic")

// Ends returns the last stable offset of every partition of a topic: the offset after the last record
// that a reader of committed records can see.
func Ends(ctx context.Context, client *kgo.Client, topic string) (Offsets, error) {
	listed, err := kadm.NewClient(client).ListCommittedOffsets(ctx, topic)
	return offsets(topic, "end", listed, err)
}

// Starts returns the offset of the first record of every partition of a topic.
func Starts(ctx context.Context, client *kgo.Client, topic string) (Offsets, error) {
	listed, err := kadm.NewClient(client).ListStartOffsets(ctx, topic)
	return offsets(topic, "start", listed, err)
}

// At returns the offset of the first record at or after a time in every partition of a topic, its end
// where there is none.
func At(ctx context.Context, client *kgo.Client, topic string, t time.Time) (Offsets, error) {
	listed, err := kadm.NewClient(client).ListOffsetsAfterMilli(ctx, t.UnixMilli(), topic)
	return offsets(topic, "later", listed, err)
}

// LogID returns the id that the brokers gave a topic: one that is deleted and made again has another.
func LogID(ctx context.Context, client *kgo.Client, topic string) ([16]byte, error) {
	topics, err := kadm.NewClient(client).ListTopics(ctx, topic)
	if err == nil {
		err = topics.Error()
	}
	if err != nil {
		return [16]byte{}, fmt.Errorf("find topic %s: %w", topic, err)
	}
	return topics[topic].ID, nil
}

// LogIDs is LogID of several topics.
func LogIDs(ctx context.Context, client *kgo.Client, topics ...string) (map[string][16]byte, error) {
	out := make(map[string][16]byte)
	for _, t := range topics {
		id, err := LogID(ctx, client, t)
		if err != nil {
			return nil, err
		}
		out[t] = id
	}
	return out, nil
}

// ID returns the id of the cluster that the brokers are.
func ID(ctx context.Context, client *kgo.Client) (string, error) {
	meta, err := kadm.NewClient(client).BrokerMetadata(ctx)
	if err != nil {
		return "", fmt.Errorf("ask the brokers which cluster they are: %w", err)
	}
	return meta.Cluster, nil
}

// Feature returns the version of a feature that the brokers have agreed on, 0 where there is none (KIP-584).
func Feature(ctx context.Context, client *kgo.Client, name string) (int16, error) {
	req := kmsg.NewPtrApiVersionsRequest()
	req.ClientSoftwareName, req.ClientSoftwareVersion = "refold", "1"
	resp, err := req.RequestWith(ctx, client)
	if err == nil {
		err = kerr.ErrorForCode(resp.ErrorCode)
	}
	if err != nil {
		return 0, fmt.Errorf("ask the brokers for their features: %w", err)
	}
	for _, f := range resp.FinalizedFeatures {
		if f.Name == name {
			return f.MaxVersionLevel, nil
		}
	}
	return 0, nil
}

func offsets(topic, what string, listed kadm.ListedOffsets, err error) (Offsets, error) {
	if err == nil {
		err = listed.Error()
	}
	if errors.Is(err, kerr.UnknownTopicOrPartition) || errors.Is(err, kerr.InvalidTopicException) {
		err = fmt.Errorf("%w: %w", ErrNoTopic, err)
	}
	if err != nil {
		return nil, fmt.Errorf("list %s offsets of %s: %w", what, topic, err)
	}
	out := make(Offsets)
	listed.Each(func(o kadm.ListedOffset) { out[o.Partition] = o.Offset })
	return out, nil
}
