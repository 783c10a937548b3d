package reports

import (
	"context"
	"errors"

	"github.com/refold/refold/projections/projection"
	"github.com/refold/refold/projections/spending"
	"github.com/refold/refold/schemas/api/bankv1"
)

// GetSpending implements bankv1.ReportsServiceServer. Months without spending are left out.
func (s *Server) GetSpending(ctx context.Context, r *bankv1.GetSpendingRequest) (*bankv1.GetSpendingResponse, error) {
	to := r.GetTo()
	if to != "" {
		if r.GetFrom() > to {
			return nil, wrong(ReasonMalformed, "from", "must not be later than to")
		}
		to += "\x00" // the month itself is included
	}
	v, err := s.view(ctx, question{projection: spending.Name, customer: r.GetCustomerId(), minPosition: r.GetMinPosition(), past: r})
	if err != nil {
		return nil, err
	}
	defer v.Close()
	out := &bankv1.GetSpendingResponse{Freshness: freshness(v)}
	var broken error
	err = v.Scan(r.GetCustomerId(), r.GetFrom(), to, func(k projection.Key, stored []byte) bool {
		var m *bankv1.MonthSpending
		if m, broken = s.decodeMonth(k.Sort, stored); broken == nil {
			out.Months = append(out.Months, m)
		}
		return broken == nil
	})
	if err := errors.Join(err, broken); err != nil {
		return nil, err
	}
	return out, nil
}

func (s *Server) decodeMonth(month string, stored []byte) (*bankv1.MonthSpending, error) {
	var r spending.Row
	if _, err := projection.Decode(s.spending, stored, &r); err != nil {
		return nil, err
	}
	out := &bankv1.MonthSpending{Month: month}
	for _, l := range r.Lines {
		out.Categories = append(out.Categories, &bankv1.CategorySpending{
			Category: l.Category, Currency: l.Currency, SpentMinor: l.SpentMinor, Entries: l.Entries,
		})
	}
	return out, nil
}
