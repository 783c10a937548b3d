package model

import (
	"context"
	"errors"
	"fmt"

	"github.com/refold/refold/projections/store"
	"github.com/refold/refold/schemas/codec"
	"github.com/refold/refold/schemas/event"
	"github.com/refold/refold/services/transactions/pile"
	"github.com/refold/refold/streams/cluster"
	"github.com/refold/refold/streams/timeline"
)

// Verifier holds a whole journal against the model.
type Verifier struct {
	// Cluster, Codec and Topic say where the journal is. They must be set.
	Cluster cluster.Cluster
	Codec   *codec.Codec
	Topic   string
	// Stores is where the model remembers entries and holds, so that its memory does not grow with
	// them. It remembers them in memory where it is nil.
	Stores store.Stores
	// Progress, where it is set, is told how many offsets of all were read.
	Progress func(read, all int64)
}

// Report is what a Verifier found.
type Report struct {
	// Records were read: Accepted and Rejected ones had the outcome of their command compared, Expired ones
	// the hold that they end.
	Records  int64 `json:"records"`
	Accepted int64 `json:"accepted"`
	Rejected int64 `json:"rejected"`
	Expired  int64 `json:"expired"`
	// NotCompared are rejections of before these kept their command.
	NotCompared int64 `json:"not_compared"`
	// Pending are transfers between partitions that are on their way.
	Pending int64 `json:"pending_transfers"`
	// Found is how many problems there are, and Problems are the first of them.
	Found    int64     `json:"found"`
	Problems []Problem `json:"problems"`
}

// Problem is a record that is not what the model says.
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

// maxProblems bounds the problems that a report lists.
const maxProblems = 100

func (r *Report) problem(partition int32, offset int64, format string, args ...any) {
	r.Found++
	if len(r.Problems) < maxProblems {
		r.Problems = append(r.Problems, Problem{partition, offset, fmt.Sprintf(format, args...)})
	}
}

// Verify reads every partition from its start up to the end that it has now, once, and holds every record
// against the model (I-MODEL). With it come I-SUM, I-GLOBAL and I-FLOOR after every record, I-ONCE, I-SEQ and
// I-HOLD, and for all partitions together I-DRAIN. It goes on after a problem, from what the record says.
//
// The error says that the journal could not be read; problems are no error. Memory grows with the number of
// accounts, open holds and transfers on their way alone, if there are Stores.
func (v Verifier) Verify(ctx context.Context) (Report, error) {
	spans, err := timeline.Spans(ctx, v.Cluster, v.Topic)
	if err != nil {
		return Report{}, err
	}
	run, err := v.begin(v.Stores)
	if err != nil {
		return Report{}, err
	}
	var read, all int64
	run.partitions = int32(len(spans))
	for p, s := range spans {
		all += s.End - s.Start
		if s.Start > 0 {
			run.report.problem(p, s.Start, "is where the log begins: what was before it is not known to the model")
		}
	}
	err = timeline.Scan(ctx, v.Cluster, v.Topic, spans, func(b timeline.Batch) error {
		for _, rec := range b.Records {
			if err := run.record(ctx, rec); err != nil {
				return fmt.Errorf("offset %d: %w", rec.Offset, err)
			}
		}
		read += max(0, b.Next-b.From)
		if v.Progress != nil {
			v.Progress(read, all)
		}
		return nil
	})
	if err == nil {
		err = run.settle()
	}
	return run.report, errors.Join(err, run.close())
}

// Records holds the records of a log of some partitions, which begins with them, against the model, in memory.
// Only the codec of the Verifier is used.
func (v Verifier) Records(ctx context.Context, records []*timeline.Record, partitions int32) (report Report, err error) {
	run, err := v.begin(nil)
	if err != nil {
		return Report{}, err
	}
	defer func() { err = errors.Join(err, run.close()) }()
	run.partitions = partitions
	for _, rec := range records {
		if err := run.record(ctx, rec); err != nil {
			return Report{}, err
		}
	}
	return run.report, run.settle()
}

// run is one reading of a journal.
type run struct {
	Verifier
	forms  forms
	report Report
	store  store.Store // nil: in memory
	shelf  *shelf
	banks  map[int32]*bank

	partitions int32
	transfers  *transfers
	keys       pile.Pile
}

var generation = store.Generation{Projection: "model", Number: 1}

func (v Verifier) begin(stores store.Stores) (*run, error) {
	forms, err := newForms()
	if err != nil {
		return nil, err
	}
	r := &run{Verifier: v, forms: forms, banks: make(map[int32]*bank), transfers: newTransfers(), report: Report{Problems: []Problem{}}}
	r.shelf = &shelf{put: make(map[string][]byte)}
	if stores != nil {
		if r.store, err = stores.Open(generation); err != nil {
			return nil, err
		}
		r.shelf.store = r.store
	}
	return r, nil
}

// settle checks what can be checked only when all records are read.
func (r *run) settle() error {
	r.transfers.close(r)
	return r.keys.Each(func(same []pile.Claim) {
		for _, c := range same[1:] {
			r.report.problem(c.Partition, c.Offset, "uses a key that offset %d has used", same[0].Offset)
		}
	})
}

func (r *run) close() error {
	if err := r.keys.Close(); err != nil || r.store == nil {
		return err
	}
	if err := r.store.Close(); err != nil {
		return err
	}
	return r.Stores.Drop(generation)
}

func (r *run) record(ctx context.Context, rec *timeline.Record) error {
	s, err := r.Codec.Lookup(ctx, rec.Value)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	f := factNamed("")
	if err == nil {
		f = factNamed(s.Name)
	}
	if f != nil {
		err = s.Decode(rec.Value, f)
	}
	if err != nil || f == nil {
		r.report.problem(rec.Partition, rec.Offset, "is no event of the journal: %v", err)
		return nil
	}
	return r.bank(rec.Partition).step(f, rec.Offset)
}

func (r *run) bank(partition int32) *bank {
	b := r.banks[partition]
	if b == nil {
		b = &bank{
			partition: partition, partitions: r.partitions, transfers: r.transfers, keys: &r.keys,
			forms: r.forms, shelf: r.shelf, report: &r.report,
			accounts: make(map[string]*account), totals: make(map[string]int64),
		}
		r.banks[partition] = b
	}
	return b
}

// factNamed returns a new, empty event of the journal, nil where the journal holds none of that name.
func factNamed(name string) fact {
	switch name {
	case event.NameAccountOpened:
		return new(event.AccountOpened)
	case event.NameAccountFrozen:
		return new(event.AccountFrozen)
	case event.NameAccountUnfrozen:
		return new(event.AccountUnfrozen)
	case event.NameAccountClosed:
		return new(event.AccountClosed)
	case event.NameHoldPlaced:
		return new(event.HoldPlaced)
	case event.NameHoldReleased:
		return new(event.HoldReleased)
	case event.NameHoldExpired:
		return new(event.HoldExpired)
	case event.NameEntryPosted:
		return new(event.EntryPosted)
	case event.NameTransferSettled:
		return new(event.TransferSettled)
	case event.NameRewardRedemptionRequested:
		return new(event.RewardRedemptionRequested)
	case event.NameCommandRejected:
		return new(event.CommandRejected)
	}
	return nil
}
