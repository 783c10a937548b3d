package timeline

import (
	"context"
	"errors"
	"fmt"

	"github.com/refold/refold/streams/cluster"
)

// Span is a part of a partition: the offsets from Start up to, not including, End.
type Span struct{ Start, End int64 }

// Spans returns what the log of a topic holds now, by partition.
func Spans(ctx context.Context, c cluster.Cluster, topic string) (map[int32]Span, error) {
	client, err := c.Client()
	if err != nil {
		return nil, err
	}
	defer client.Close()
	starts, err := cluster.Starts(ctx, client, topic)
	if err != nil {
		return nil, err
	}
	ends, err := cluster.Ends(ctx, client, topic)
	if err != nil {
		return nil, err
	}
	out := make(map[int32]Span, len(starts))
	for p, start := range starts {
		out[p] = Span{start, ends[p]}
	}
	return out, nil
}

// scanBytes bounds what a scan fetches ahead: it reads much, and its memory is to stay small.
const scanBytes = 8 << 20

// Scan reads spans of a topic once and calls each for every batch, with the records of the span alone.
// Partitions take turns; the records of one are in order. It fails where a span is not there to be read.
func Scan(ctx context.Context, c cluster.Cluster, topic string, spans map[int32]Span, each func(Batch) error) error {
	reader, err := NewReader(c, Config{MaxBytes: scanBytes})
	if err != nil {
		return err
	}
	defer reader.Close()
	left := make(map[int32]Span, len(spans))
	for p, s := range spans {
		if s.Start < s.End {
			left[p] = s
			reader.Add(topic, p, s.Start)
		}
	}
	for len(left) > 0 {
		batches, err := reader.Poll(ctx)
		if err != nil {
			return fmt.Errorf("scan %s: %w", topic, err)
		}
		for _, b := range batches {
			if err := scanned(b, left, each); err != nil {
				return fmt.Errorf("scan %s/%d: %w", topic, b.Partition, err)
			}
			if b.Next >= left[b.Partition].End {
				delete(left, b.Partition)
				reader.Remove(topic, b.Partition)
			}
		}
	}
	return nil
}

// scanned hands a batch on, if it is of what is left.
func scanned(b Batch, left map[int32]Span, each func(Batch) error) error {
	span, wanted := left[b.Partition]
	switch {
	case !wanted:
		return nil
	case errors.Is(b.Err, ErrHole):
		return b.Err
	}
	for i, rec := range b.Records {
		if rec.Offset >= span.End {
			b.Records = b.Records[:i]
			break
		}
	}
	return each(b)
}
