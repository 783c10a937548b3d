package timeline

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/refold/refold/streams/position"
)

// sweepBytes is how much of a partition a sweep fetches at a time.
const sweepBytes = 2 << 20

// Sweep reads a partition of the log of an id from an offset to its last stable offset, as fast as it can: each
// is called for one stretch after the other, whose records are used again after the call. It returns the
// offset that it has come to. It fails with ErrHole where the log does not hold the offset, or has another id,
// and with what each fails with.
//
// Unlike a Reader it makes nothing anew for a record, and does nothing else while each runs.
func (p *Picker) Sweep(ctx context.Context, at position.Partition, log [16]byte, from int64, each func(Batch) error) (next int64, err error) {
	w := walker{decompress: p.decompress, place: at}
	for next = from; ; {
		part, err := p.ask(ctx, at, log, Span{next, next + sweepBytes})
		if err != nil {
			return next, fmt.Errorf("sweep %s: %w", at, err)
		}
		came, err := w.walk(part, next, each)
		if err != nil {
			return came, fmt.Errorf("sweep %s at %d: %w", at, came, err)
		}
		if came == next || came >= part.LastStableOffset {
			return came, nil
		}
		next = came
	}
}

// errBatch is wrapped where what a broker sent is not a batch of records.
var errBatch = errors.New("the broker sent what is no batch of records")

// walk calls each for every batch of an answer and returns the offset after the last.
func (w *walker) walk(part *kmsg.FetchResponseTopicPartition, next int64, each func(Batch) error) (int64, error) {
	w.aborted.note(part.AbortedTransactions)
	for in := part.RecordBatches; len(in) >= headerSize; {
		h, whole, err := headerOf(in)
		if err != nil {
			return next, err
		}
		if whole == nil {
			break // the rest of it comes with the next answer
		}
		in = in[len(whole):]
		records, err := w.records(h, whole, next)
		if err != nil {
			return next, err
		}
		if h.last < next {
			continue
		}
		b := Batch{Topic: w.place.Topic, Partition: w.place.Partition, From: next, Records: records, Next: h.last + 1, End: part.LastStableOffset}
		if err := each(b); err != nil {
			return next, err
		}
		next = b.Next
	}
	return next, nil
}
