package reports

import (
	"context"
	"maps"
	"slices"

	"github.com/refold/refold/projections/merchants"
	"github.com/refold/refold/schemas/api/bankv1"
	"github.com/refold/refold/services/query"
)

// mostMonths is how far payments are looked at.
const mostMonths = 12

// ListRecurringPayments implements bankv1.ReportsServiceServer.
func (s *Server) ListRecurringPayments(ctx context.Context, r *bankv1.ListRecurringPaymentsRequest) (*bankv1.ListRecurringPaymentsResponse, error) {
	v, err := s.reader.View(ctx, query.Question{Projection: merchants.Name, Customer: r.GetCustomerId(), MinPosition: r.GetMinPosition(), Past: r})
	if err != nil {
		return nil, err
	}
	defer v.Close()
	rows, err := s.merchantMonths(v, r.GetCustomerId(), "", "")
	if err != nil {
		return nil, err
	}
	months := slices.Sorted(maps.Keys(rows))
	for _, month := range months[:max(0, len(months)-mostMonths)] {
		delete(rows, month)
	}
	out := &bankv1.ListRecurringPaymentsResponse{Freshness: query.Freshness(v)}
	for _, p := range merchants.Recurring(rows) {
		out.Payments = append(out.Payments, &bankv1.RecurringPayment{
			Merchant: p.Merchant, Currency: p.Currency, Months: p.Months, LastMonth: p.Last, LastMinor: p.LastMinor,
		})
	}
	return out, nil
}
