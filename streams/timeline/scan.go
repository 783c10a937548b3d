package timeline

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

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

// scanPatience is how long a scan waits for the next records, all of which are there.
const scanPatience = time.Minute

// Scan reads spans of a topic once and calls each for every batch, with the records of the span alone.
// Partitions take turns; the records of one are in order. It returns nil only when every span was read to its
// end: it fails where one is not there to be read, where a read fails in a way that does not pass by itself,
// and where no records come for a minute.
func Scan(ctx context.Context, c cluster.Cluster, topic string, spans map[int32]Span, each func(Batch) error) error {
	reader, err := NewReader(c, Config{MaxBytes: scanBytes})
	if err != nil {
		return err
	}
	defer reader.Close()
	s := scan{reader: reader, patience: scanPatience, each: each, left: make(map[int32]Span, len(spans))}
	for p, span := range spans {
		if span.Start < span.End {
			s.left[p] = span
			reader.Add(topic, p, span.Start)
		}
	}
	if err := s.run(ctx); err != nil {
		return fmt.Errorf("scan %s: %w", topic, err)
	}
	return nil
}

// scan is a Scan under way.
type scan struct {
	reader   *Reader
	patience time.Duration
	each     func(Batch) error
	left     map[int32]Span // what is not read to its end
}

func (s *scan) run(ctx context.Context) error {
	var passing error // since records came last
	late := time.Now().Add(s.patience)
	for len(s.left) > 0 {
		batches, err := s.poll(ctx, late)
		if err != nil {
			return errors.Join(err, passing)
		}
		for _, b := range batches {
			if err := s.take(b); err != nil {
				return fmt.Errorf("partition %d: %w", b.Partition, err)
			}
			if passing = b.Err; b.Next > 0 {
				late = time.Now().Add(s.patience)
			}
		}
	}
	return nil
}

// errNothingCame says that the brokers do not give what they have.
var errNothingCame = errors.New("there are records that do not come")

// poll is Poll up to a time.
func (s *scan) poll(ctx context.Context, late time.Time) ([]Batch, error) {
	waiting, cancel := context.WithDeadline(ctx, late)
	defer cancel()
	batches, err := s.reader.Poll(waiting)
	if err != nil && ctx.Err() == nil {
		return nil, errors.Join(errNothingCame, err)
	}
	return batches, err
}

// take hands a batch on, if it is of what is left.
func (s *scan) take(b Batch) error {
	span, wanted := s.left[b.Partition]
	switch {
	case !wanted:
		return nil
	case b.Err != nil && !passes(b.Err):
		return b.Err
	}
	for i, rec := range b.Records {
		if rec.Offset >= span.End {
			b.Records = b.Records[:i]
			break
		}
	}
	if b.Next >= span.End {
		delete(s.left, b.Partition)
		s.reader.Remove(b.Topic, b.Partition)
	}
	return s.each(b)
}

// passes reports whether an error of a read may pass by itself, such as that of a broker which is elsewhere.
func passes(err error) bool {
	return !errors.Is(err, ErrHole) && (kerr.IsRetriable(err) || kgo.IsRetryableBrokerErr(err))
}
