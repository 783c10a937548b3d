package transactions

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/refold/refold/schemas/codec"
	"github.com/refold/refold/streams/cluster"
	"github.com/refold/refold/streams/timeline"
)

// Verifier reads a whole journal and doubts every record of it. Cluster, Codec, Topic and Partitions must be
// set.
type Verifier struct {
	Cluster    cluster.Cluster
	Codec      *codec.Codec
	Topic      string
	Partitions int32
	// Progress, where it is set, is told how many offsets of all were read.
	Progress func(read, all int64)
}

// Report is what a Verifier found.
type Report struct {
	// Records were read; Entries of them moved money.
	Records int64 `json:"records"`
	Entries int64 `json:"entries"`
	// Accounts is how many accounts there are, internal ones included.
	Accounts int64 `json:"accounts"`
	// Totals are the sums of all balances by currency, in minor units. They are zero.
	Totals map[string]int64 `json:"totals_minor"`
	// Found is how many problems there are, and Problems are the first of them, by partition and offset: of
	// every partition with problems at least the first that was found.
	Found    int64     `json:"found"`
	Problems []Problem `json:"problems"`
}

// Problem is a record that cannot be right.
type Problem struct {
	// Partition and Offset are -1 where it is no single record.
	Partition int32 `json:"partition"`
	Offset    int64 `json:"offset"`
	// What is wrong, in a sentence without a subject: the record is it.
	What string `json:"what"`
}

func (p Problem) String() string {
	if p.Partition < 0 {
		return p.What
	}
	return fmt.Sprintf("partition %d, offset %d: %s", p.Partition, p.Offset, p.What)
}

// maxProblems bounds the problems that a report lists, but for the first of each partition.
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
//   - what counts to the limit of a day is no more than the limit;
//   - no key is answered twice, no entry reversed twice, and no more of a purchase refunded than was paid;
//   - a transfer between partitions is sent, received and ended once, of one amount, and what is in the clearing
//     accounts is what is on its way.
//
// A record is held to its hash by the one after it. So of the last record of a partition only what its command
// says is proven, by the model; its owner holds it to the hash that its rows have of it.
//
// It goes on after a problem, from what the record says of itself, so that one problem is told once. The
// error says that the journal could not be read; problems are no error. Memory grows with the number of
// accounts and open holds alone: what is said of keys and entries waits in a temporary folder.
func (v Verifier) Verify(ctx context.Context) (report Report, err error) {
	a := newAudit(v)
	defer func() { err = cmp.Or(err, a.claims.Close()) }()
	spans, err := timeline.Spans(ctx, v.Cluster, v.Topic)
	if err != nil {
		return Report{}, err
	}
	var read, all int64
	for p, s := range spans {
		all += s.End - s.Start
		if s.Start > 0 {
			a.problem(p, s.Start, "the log begins here: what was before it is not verified")
		}
	}
	err = timeline.Scan(ctx, v.Cluster, v.Topic, spans, func(b timeline.Batch) error {
		for _, rec := range b.Records {
			if err := a.record(ctx, rec); err != nil {
				return fmt.Errorf("verify offset %d: %w", rec.Offset, err)
			}
		}
		read += max(0, b.Next-b.From)
		if v.Progress != nil {
			v.Progress(read, all)
		}
		return nil
	})
	if err == nil {
		err = a.settle()
	}
	if err != nil {
		return Report{}, err
	}
	return a.close(), nil
}

// close adds up.
func (a *audit) close() Report {
	a.doubts()
	r := &a.report
	slices.SortStableFunc(r.Problems, func(p, q Problem) int {
		return cmp.Or(cmp.Compare(p.Partition, q.Partition), cmp.Compare(p.Offset, q.Offset))
	})
	r.Accounts = int64(len(a.accounts))
	r.Totals = make(map[string]int64)
	cleared := maps.Clone(a.transit)
	for id, acc := range a.accounts {
		r.Totals[acc.currency] += acc.balance
		if strings.HasPrefix(id, clearing) {
			cleared[acc.currency] -= acc.balance
		}
	}
	whole := func(format string, args ...any) {
		r.Found++
		r.Problems = append(r.Problems, Problem{-1, -1, fmt.Sprintf(format, args...)})
	}
	for currency, total := range r.Totals {
		if total != 0 {
			whole("all accounts together have %d %s, not zero", total, currency)
		}
	}
	for currency, missing := range cleared {
		if missing != 0 {
			whole("%d %s are on their way that are not in the clearing accounts", missing, currency)
		}
	}
	return *r
}
