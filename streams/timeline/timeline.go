// Package timeline reads the log: partitions from given positions on, in order, committed records only,
// and nothing skipped. Everything that needs history reads it here.
//
// A reader never resets a position by itself. Where the log no longer holds the next offset, or holds
// another log of the same name, reading stops with ErrHole: to go on would be to skip facts.
package timeline

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/refold/refold/streams/cluster"
	"github.com/refold/refold/streams/position"
)

// Record is a record as it stands in the log. Key, value and headers must not be changed.
type Record = kgo.Record

// ErrHole is wrapped where the log does not hold the next offset any more, or is another log.
var ErrHole = errors.New("the log has no record at the next offset")

// Batch is a stretch of one partition.
type Batch struct {
	Topic     string
	Partition int32
	// From is where the batch begins: the position that the one before it ended at, or was added at.
	From int64
	// Records are in order of their offsets. Offsets that are missing between them belong to
	// transaction markers and aborted records.
	Records []*Record
	// Next is the position after the batch, markers included; 0 where there is only an error.
	Next int64
	// End is the last stable offset of the partition as the broker last said it.
	End int64
	// Err is why the partition cannot be read on. With ErrHole it never will be; after other errors the
	// reader tries again by itself.
	Err error
}

// Config says what a reader may use.
type Config struct {
	// MaxBytes bounds what is fetched ahead, in bytes; 4 MiB where it is zero.
	MaxBytes int32
	// MaxWait is how long a broker may wait for new records before it answers; 500 ms where it is zero.
	MaxWait time.Duration
}

// Reader reads partitions. Poll is called by one goroutine at a time; Add and Remove by any.
type Reader struct {
	client *kgo.Client

	mu   sync.Mutex
	next map[position.Partition]int64 // guarded by mu; positions of the partitions that are read
}

// NewReader returns a reader of nothing yet. The caller closes it.
func NewReader(c cluster.Cluster, cfg Config) (*Reader, error) {
	maxBytes := cfg.MaxBytes
	if maxBytes == 0 {
		maxBytes = 4 << 20
	}
	wait := cfg.MaxWait
	if wait == 0 {
		wait = 500 * time.Millisecond
	}
	client, err := c.Client(
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.KeepControlRecords(),
		kgo.ConsumeResetOffset(kgo.NoResetOffset()),
		kgo.FetchMaxBytes(maxBytes),
		kgo.FetchMaxPartitionBytes(max(maxBytes/8, 256<<10)),
		kgo.FetchMaxWait(wait),
		kgo.MaxConcurrentFetches(1),
	)
	if err != nil {
		return nil, err
	}
	return &Reader{client: client, next: make(map[position.Partition]int64)}, nil
}

// Close ends the reader. A Poll that waits returns.
func (r *Reader) Close() { r.client.Close() }

// Add begins to read a partition at an offset. A Poll under way may still return records of an earlier
// reading of the same partition, with a From that is not theirs: who removes a partition and adds it again
// does so between Polls.
func (r *Reader) Add(topic string, partition int32, offset int64) {
	r.mu.Lock()
	r.next[position.Partition{Topic: topic, Partition: partition}] = offset
	r.mu.Unlock()
	r.client.AddConsumePartitions(map[string]map[int32]kgo.Offset{
		topic: {partition: kgo.NewOffset().At(offset)},
	})
}

// Remove ends the reading of a partition. A Poll under way may still return records of it.
func (r *Reader) Remove(topic string, partition int32) {
	r.mu.Lock()
	delete(r.next, position.Partition{Topic: topic, Partition: partition})
	r.mu.Unlock()
	r.client.RemoveConsumePartitions(map[string][]int32{topic: {partition}})
}

// Ends asks the brokers for the last stable offsets of a topic's partitions.
func (r *Reader) Ends(ctx context.Context, topic string) (cluster.Offsets, error) {
	return cluster.Ends(ctx, r.client, topic)
}

// LogID returns the id of a topic; see cluster.LogID.
func (r *Reader) LogID(ctx context.Context, topic string) ([16]byte, error) {
	return cluster.LogID(ctx, r.client, topic)
}

// Poll waits for records and returns them by partition. It fails only when ctx ends or the reader is closed,
// and then returns no batch: whatever it has taken is returned first.
func (r *Reader) Poll(ctx context.Context) ([]Batch, error) {
	fetches := r.client.PollFetches(ctx)
	if fetches.IsClientClosed() {
		return nil, fmt.Errorf("read: %w", kgo.ErrClientClosed)
	}
	var batches []Batch
	fetches.EachPartition(func(p kgo.FetchTopicPartition) {
		// A fetch without a topic says that ctx has ended.
		if p.Topic != "" && (p.Err != nil || len(p.Records) > 0) {
			batches = append(batches, r.place(batchOf(p)))
		}
	})
	if err := ctx.Err(); err != nil && len(batches) == 0 {
		return nil, fmt.Errorf("read: %w", err)
	}
	return batches, nil
}

// place says where a batch begins, and moves the position of its partition behind it.
func (r *Reader) place(b Batch) Batch {
	at := position.Partition{Topic: b.Topic, Partition: b.Partition}
	r.mu.Lock()
	defer r.mu.Unlock()
	next, ok := r.next[at]
	if !ok {
		b.From = b.Next // of a partition that is not read any more
		return b
	}
	b.From = next
	r.next[at] = max(next, b.Next)
	return b
}

func batchOf(p kgo.FetchTopicPartition) Batch {
	b := Batch{Topic: p.Topic, Partition: p.Partition, End: p.LastStableOffset}
	if p.Err != nil {
		b.Err = readError(p)
	}
	if len(p.Records) == 0 {
		return b
	}
	b.Next = p.Records[len(p.Records)-1].Offset + 1
	b.Records = p.Records[:0]
	for _, rec := range p.Records {
		if !rec.Attrs.IsControl() {
			b.Records = append(b.Records, rec)
		}
	}
	return b
}

func readError(p kgo.FetchTopicPartition) error {
	var lost *kgo.ErrDataLoss
	for _, hole := range []error{kerr.OffsetOutOfRange, kerr.UnknownTopicID, kerr.InconsistentTopicID} {
		if errors.Is(p.Err, hole) {
			return fmt.Errorf("read %s/%d: %w: %w", p.Topic, p.Partition, ErrHole, p.Err)
		}
	}
	if errors.As(p.Err, &lost) {
		return fmt.Errorf("read %s/%d: %w: %w", p.Topic, p.Partition, ErrHole, p.Err)
	}
	return fmt.Errorf("read %s/%d: %w", p.Topic, p.Partition, p.Err)
}
