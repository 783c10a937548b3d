package reports

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/refold/refold/projections/engine"
	"github.com/refold/refold/projections/projection"
	"github.com/refold/refold/projections/totals"
	"github.com/refold/refold/schemas/api/bankv1"
	"github.com/refold/refold/schemas/api/refoldv1"
	"github.com/refold/refold/schemas/category"
	"github.com/refold/refold/services/query"
	"github.com/refold/refold/streams/position"
	"github.com/refold/refold/streams/topic"
)

// GetBankSpending implements bankv1.ReportsServiceServer. It adds up the rows of all partitions, each as it was at
// one moment of its own, or of the past that is asked for.
func (s *Server) GetBankSpending(ctx context.Context, r *bankv1.GetBankSpendingRequest) (*bankv1.GetBankSpendingResponse, error) {
	if r.GetTo() != "" && r.GetFrom() > r.GetTo() {
		return nil, query.Wrong(query.ReasonMalformed, "from", "must not be later than to")
	}
	ctx, cancel := context.WithTimeout(ctx, query.Patience)
	defer cancel()
	sums := make(map[string]*totals.Row)
	all := &bankFreshness{positions: make(position.Vector)}
	for p := range s.reader.Partitions {
		if err := s.addPartition(ctx, p, r, sums, all); err != nil {
			return nil, err
		}
	}
	out := &bankv1.GetBankSpendingResponse{Freshness: all.answer()}
	for _, month := range slices.Sorted(maps.Keys(sums)) {
		m := &bankv1.BankMonth{Month: month, UnknownEntries: sums[month].Unknown}
		for _, c := range sums[month].Cells {
			m.Categories = append(m.Categories, &bankv1.CategorySpending{
				Category: category.Category(c.Category).String(), Currency: c.Currency, SpentMinor: c.SpentMinor, Entries: c.Entries,
			})
		}
		out.Months = append(out.Months, m)
	}
	return out, nil
}

// addPartition adds the months of one partition.
func (s *Server) addPartition(ctx context.Context, p int32, r *bankv1.GetBankSpendingRequest, sums map[string]*totals.Row, all *bankFreshness) error {
	at := position.Partition{Topic: topic.Transactions, Partition: p}
	offset, err := position.Wanted(r.GetMinPosition(), at)
	if err != nil {
		return fmt.Errorf("min_position: %w", err)
	}
	moment, err := query.MomentIn(at, r, r.GetMinPosition())
	if err != nil {
		return err
	}
	v, err := s.reader.Engine.View(ctx, engine.Query{
		Projection: totals.Name, Partition: p, Generation: all.out.Generation, MinOffset: offset, AsOf: moment, Key: totals.Partition,
	})
	if err != nil {
		return err
	}
	defer v.Close()
	all.add(v)
	to := r.GetTo()
	if to != "" {
		to += "\x00"
	}
	var broken error
	err = v.Scan(totals.Partition, r.GetFrom(), to, func(k projection.Key, stored []byte) bool {
		if sums[k.Sort] == nil {
			sums[k.Sort] = &totals.Row{}
		}
		broken = s.addTotals(sums[k.Sort], stored)
		return broken == nil
	})
	return errors.Join(err, broken)
}

func (s *Server) addTotals(sum *totals.Row, stored []byte) error {
	var row totals.Row
	if _, err := projection.Decode(s.totals, stored, &row); err != nil {
		return err
	}
	sum.Unknown += row.Unknown
	for _, c := range row.Cells {
		if err := sum.Add(c); err != nil {
			return err
		}
	}
	return nil
}

// bankFreshness says how old the views of all partitions are.
type bankFreshness struct {
	positions position.Vector
	out       refoldv1.Freshness
}

func (f *bankFreshness) add(v *engine.View) {
	f.positions[position.Partition{Topic: v.Topic, Partition: v.Partition}] = v.Next
	f.out.LagEvents += v.Lag
	f.out.Scanned = f.out.Scanned || v.Scanned
	f.out.LagSeconds = max(f.out.LagSeconds, v.Behind.Seconds())
	f.out.Generation = v.Generation
	if since, parked := v.ParkedSince(); parked && (f.out.ParkedSince == nil || since.Before(f.out.ParkedSince.AsTime())) {
		f.out.ParkedSince = timestamppb.New(since)
	}
	if at := timestamppb.New(v.EventTime); !v.EventTime.IsZero() && (f.out.EventTime == nil || at.AsTime().After(f.out.EventTime.AsTime())) {
		f.out.EventTime = at
	}
}

func (f *bankFreshness) answer() *refoldv1.Freshness {
	f.out.Position = position.Token{Generation: f.out.Generation, Positions: f.positions}.Encode()
	return &f.out
}
