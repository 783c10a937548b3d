package reports

import (
	"context"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/refold/refold/projections/balances"
	"github.com/refold/refold/projections/projection"
	"github.com/refold/refold/schemas/api/bankv1"
	"github.com/refold/refold/services/query"
)

// ListPending implements bankv1.ReportsServiceServer.
func (s *Server) ListPending(ctx context.Context, r *bankv1.ListPendingRequest) (*bankv1.ListPendingResponse, error) {
	customer, err := home(r.GetAccountId())
	if err != nil {
		return nil, err
	}
	v, err := s.reader.View(ctx, query.Question{Projection: balances.Name, Customer: customer, MinPosition: r.GetMinPosition(), Past: r})
	if err != nil {
		return nil, err
	}
	defer v.Close()
	a, err := s.account(v, r.GetAccountId())
	if err != nil {
		return nil, err
	}
	stored, err := v.Load(balances.OpenKey(r.GetAccountId()))
	if err != nil {
		return nil, err
	}
	var row balances.Row
	if stored != nil {
		if _, err := projection.Decode(s.balances, stored, &row); err != nil {
			return nil, err
		}
	}
	out := pending(row.Open)
	out.Currency, out.Freshness = a.GetCurrency(), query.Freshness(v)
	return out, nil
}

// pending returns what is open of an account; nil is nothing.
func pending(o *balances.Open) *bankv1.ListPendingResponse {
	out := &bankv1.ListPendingResponse{}
	if o == nil {
		return out
	}
	for _, h := range o.Holds {
		out.HeldMinor += h.AmountMinor
		out.Holds = append(out.Holds, &bankv1.PendingHold{
			HoldId: h.ID, AmountMinor: h.AmountMinor, OccurredAt: timestamppb.New(h.OccurredAt.Time()), ExpiresAt: timestamppb.New(h.ExpiresAt.Time()),
			Merchant: h.Merchant, Category: h.Category,
		})
	}
	for _, t := range o.Transfers {
		out.OutgoingMinor += t.AmountMinor
		out.Transfers = append(out.Transfers, &bankv1.PendingOutgoing{
			TransferId: t.ID, AmountMinor: t.AmountMinor, OccurredAt: timestamppb.New(t.OccurredAt.Time()), ToAccountId: t.Counterparty,
		})
	}
	return out
}
