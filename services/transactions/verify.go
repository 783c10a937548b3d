package transactions

import (
	"context"
	"errors"
	"fmt"

	"github.com/refold/refold/schemas/codec"
	"github.com/refold/refold/streams/cluster"
	"github.com/refold/refold/streams/timeline"
)

// Verifier reads a whole journal and doubts every record of it. Every field must be set.
type Verifier struct {
	Cluster    cluster.Cluster
	Codec      *codec.Codec
	Topic      string
	Partitions int32
}

// Report is what a Verifier found.
type Report struct {
	// Records were read; Entries of them moved money.
	Records, Entries int64
	// Accounts is how many accounts there are, internal ones included.
	Accounts int64
	// Totals are the sums of all balances by currency, in minor units. They are zero.
	Totals map[string]int64
	// Found is how many problems there are, and Problems are the first of them.
	Found    int64
	Problems []Problem
}

// Problem is a record that cannot be right.
type Problem struct {
	Partition int32
	Offset    int64
	// What is wrong, in a sentence without a subject: the record is it.
	What string
}

func (p Problem) String() string {
	return fmt.Sprintf("partition %d, offset %d: %s", p.Partition, p.Offset, p.What)
}

// maxProblems bounds the problems that a report lists.
const maxProblems = 100

// Verify reads every partition from its start up to the end that it has now, once, and checks that
//
//   - every record was written in a transaction, can be decoded, and lies in the partition of its key;
//   - records follow each other: numbers without gaps, times that only grow, hashes that chain;
//   - the legs of an entry sum to zero in every currency;
//   - the legs of an account follow each other: numbers without gaps, balances that add up, one currency,
//     no balance below the limit, an opening before the first of them, none that takes from a frozen account,
//     and none on a closed one, which was empty when it was closed;
//   - a hold ends once, as a whole; what is captured of it is no more than it held, what is held is no more
//     than there was, and it does not expire before its time;
//   - what counts to the limit of a day is no more than the limit.
//
// It goes on after a problem, from what the record says of itself, so that one problem is told once. The
// error says that the journal could not be read; problems are no error. Memory grows with the number of
// accounts and open holds alone. That no key was answered twice and no entry reversed twice is not checked
// here: that needs memory for every key and entry, and is what the fold of package ledger refuses.
func (v Verifier) Verify(ctx context.Context) (Report, error) {
	a := newAudit(v)
	remaining, err := v.ends(ctx, a)
	if err != nil {
		return Report{}, err
	}
	reader, err := timeline.NewReader(v.Cluster, timeline.Config{})
	if err != nil {
		return Report{}, err
	}
	defer reader.Close()
	for p, span := range remaining {
		reader.Add(v.Topic, p, span.start)
	}
	for len(remaining) > 0 {
		batches, err := reader.Poll(ctx)
		if err != nil {
			return Report{}, fmt.Errorf("verify %s: %w", v.Topic, err)
		}
		for _, b := range batches {
			span, wanted := remaining[b.Partition]
			if !wanted {
				continue
			}
			if errors.Is(b.Err, timeline.ErrHole) {
				return Report{}, fmt.Errorf("verify: %w", b.Err)
			}
			if err := a.batch(ctx, b, span.end); err != nil {
				return Report{}, fmt.Errorf("verify %s/%d: %w", v.Topic, b.Partition, err)
			}
			if b.Next >= span.end {
				delete(remaining, b.Partition)
				reader.Remove(v.Topic, b.Partition)
			}
		}
	}
	return a.close(), nil
}

// span is the part of a partition that is to be read.
type span struct{ start, end int64 }

func (v Verifier) ends(ctx context.Context, a *audit) (map[int32]span, error) {
	client, err := v.Cluster.Client()
	if err != nil {
		return nil, err
	}
	defer client.Close()
	starts, err := cluster.Starts(ctx, client, v.Topic)
	if err != nil {
		return nil, err
	}
	ends, err := cluster.Ends(ctx, client, v.Topic)
	if err != nil {
		return nil, err
	}
	out := make(map[int32]span)
	for p, start := range starts {
		if start > 0 {
			a.problem(p, start, "the log begins here: what was before it is not verified")
		}
		if start < ends[p] {
			out[p] = span{start, ends[p]}
		}
	}
	return out, nil
}
