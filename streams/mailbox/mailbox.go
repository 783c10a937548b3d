// Package mailbox carries messages between the partitions of a journal: partition n of its topic is the
// mailbox of partition n.
//
// A message is no fact. It may be lost before it was sent, and may come more than once; who sends it sends it
// again until it sees that it was heeded, and who gets it finds by itself whether it has been heeded already.
package mailbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/refold/refold/streams/cluster"
	"github.com/refold/refold/streams/timeline"
)

// Mailbox is the mailboxes of all partitions. Its methods may be called concurrently.
type Mailbox struct {
	cluster cluster.Cluster
	topic   string
	client  *kgo.Client
	log     *slog.Logger
}

// MaxWaiting bounds the messages that wait for a broker.
const MaxWaiting = 10_000

// Open returns the mailboxes of a topic, which must exist. The caller closes it.
func Open(c cluster.Cluster, topic string, log *slog.Logger) (*Mailbox, error) {
	client, err := c.Client(
		kgo.RequiredAcks(kgo.AllISRAcks()),
		// A message may come twice; and a client that was refused a producer id once sends nothing ever after.
		kgo.DisableIdempotentWrite(),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.MaxBufferedRecords(MaxWaiting),
		kgo.RecordDeliveryTimeout(10*time.Second),
		kgo.ProducerLinger(time.Millisecond),
	)
	if err != nil {
		return nil, err
	}
	return &Mailbox{cluster: c, topic: topic, client: client, log: log}, nil
}

// Close ends sending. What was not sent by then is lost.
func (m *Mailbox) Close() { m.client.Close() }

// Send sends a message to a partition, later, without waiting for it. It keeps key and value. Where MaxWaiting
// messages wait already, this one is lost.
func (m *Mailbox) Send(partition int32, key, value []byte) {
	m.client.TryProduce(context.Background(), m.record(partition, key, value), m.sent)
}

// SendInTurn sends a message as Send does, but waits where MaxWaiting messages wait, until there is room or ctx ends;
// it returns ctx's error.
func (m *Mailbox) SendInTurn(ctx context.Context, partition int32, key, value []byte) error {
	m.client.Produce(ctx, m.record(partition, key, value), m.sent)
	return ctx.Err()
}

func (m *Mailbox) record(partition int32, key, value []byte) *kgo.Record {
	return &kgo.Record{Topic: m.topic, Partition: partition, Key: key, Value: value}
}

func (m *Mailbox) sent(rec *kgo.Record, err error) {
	if err != nil {
		m.log.Warn("a message was not sent and will be sent again", "topic", m.topic, "partition", rec.Partition, "error", err)
	}
}

// Follow calls fn for every message to a partition from an offset on, with the offset after it, and for new
// ones as they come, until ctx ends or fn fails; it returns that error.
//
// Where the topic does not hold the offset any more, or not yet, because messages were deleted or the topic
// was made anew, it begins at the first message there is. That is safe here and nowhere else.
func (m *Mailbox) Follow(ctx context.Context, partition int32, from int64, fn func(next int64, value []byte) error) error {
	for {
		err := m.follow(ctx, partition, from, fn)
		if !errors.Is(err, timeline.ErrHole) {
			return fmt.Errorf("follow %s/%d: %w", m.topic, partition, err)
		}
		starts, listed := cluster.Starts(ctx, m.client, m.topic)
		if listed != nil {
			return fmt.Errorf("follow %s/%d: %w", m.topic, partition, errors.Join(err, listed))
		}
		m.log.Warn("messages are read from the first there is", "topic", m.topic, "partition", partition, "from", starts[partition], "error", err)
		from = starts[partition]
	}
}

func (m *Mailbox) follow(ctx context.Context, partition int32, from int64, fn func(next int64, value []byte) error) error {
	reader, err := timeline.NewReader(m.cluster, timeline.Config{MaxBytes: 1 << 20})
	if err != nil {
		return err
	}
	defer reader.Close()
	reader.Add(m.topic, partition, from)
	for {
		batches, err := reader.Poll(ctx)
		if err != nil {
			return err
		}
		for _, b := range batches {
			for _, rec := range b.Records {
				if err := fn(rec.Offset+1, rec.Value); err != nil {
					return err
				}
			}
			if errors.Is(b.Err, timeline.ErrHole) {
				return b.Err
			}
		}
	}
}
