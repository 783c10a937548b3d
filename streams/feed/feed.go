// Package feed is a log of one partition that anyone may append to and everyone reads in the same order:
// the acts of the platform, the registrations of schemas. Who needs a decision appends a wish and folds
// the log to learn what became of it; the order of the log decides, and nobody leads.
package feed

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/refold/refold/streams/cluster"
	"github.com/refold/refold/streams/timeline"
)

// Feed is partition 0 of a topic. Its methods may be called concurrently.
type Feed struct {
	cluster cluster.Cluster
	topic   string
	client  *kgo.Client
}

// Open returns the feed of a topic, which must exist. The caller closes it.
func Open(c cluster.Cluster, topic string) (*Feed, error) {
	client, err := c.Client(
		kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		// Of a record that a broker was asked to take the library waits for what became of it, for ever.
		kgo.AllowIdempotentProduceCancellation(),
	)
	if err != nil {
		return nil, err
	}
	return &Feed{cluster: c, topic: topic, client: client}, nil
}

// Close ends the feed's own connections; a Follow under way has its own.
func (f *Feed) Close() { f.client.Close() }

// Append adds a record and returns its offset. It is durable when Append returns. After an error, such as that ctx has
// ended, the record may be there all the same: whoever must know looks for it by reading.
func (f *Feed) Append(ctx context.Context, key, value []byte) (int64, error) {
	rec := &kgo.Record{Topic: f.topic, Partition: 0, Key: key, Value: value}
	if err := f.client.ProduceSync(ctx, rec).FirstErr(); err != nil {
		return 0, fmt.Errorf("append to %s: %w", f.topic, err)
	}
	return rec.Offset, nil
}

// End returns the offset after the last record.
func (f *Feed) End(ctx context.Context) (int64, error) {
	ends, err := cluster.Ends(ctx, f.client, f.topic)
	if err != nil {
		return 0, err
	}
	return ends[0], nil
}

// Follow calls fn for every record from an offset on, and for new ones as they come, until ctx ends or
// fn fails; it returns that error.
func (f *Feed) Follow(ctx context.Context, from int64, fn func(offset int64, key, value []byte) error) error {
	reader, err := timeline.NewReader(f.cluster, timeline.Config{MaxBytes: 1 << 20})
	if err != nil {
		return err
	}
	defer reader.Close()
	reader.Add(f.topic, 0, from)
	for {
		batches, err := reader.Poll(ctx)
		if err != nil {
			return fmt.Errorf("follow %s: %w", f.topic, err)
		}
		for _, b := range batches {
			if err := follow(b, fn); err != nil {
				return fmt.Errorf("follow %s: %w", f.topic, err)
			}
		}
	}
}

func follow(b timeline.Batch, fn func(offset int64, key, value []byte) error) error {
	for _, rec := range b.Records {
		if err := fn(rec.Offset, rec.Key, rec.Value); err != nil {
			return fmt.Errorf("record at offset %d: %w", rec.Offset, err)
		}
	}
	if errors.Is(b.Err, timeline.ErrHole) {
		return b.Err
	}
	return nil
}
