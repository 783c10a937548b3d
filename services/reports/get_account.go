package reports

import (
	"context"
	"time"

	"github.com/refold/refold/projections/balances"
	"github.com/refold/refold/schemas/api/bankv1"
	"github.com/refold/refold/services/query"
)

// GetAccount implements bankv1.ReportsServiceServer.
func (s *Server) GetAccount(ctx context.Context, r *bankv1.GetAccountRequest) (*bankv1.GetAccountResponse, error) {
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
	out := &bankv1.GetAccountResponse{Account: a, Freshness: query.Freshness(v)}
	if at := r.GetEffectiveAt(); at != nil {
		// Lines have microseconds: everything before the next one occurred up to and at the time.
		if !at.IsValid() {
			return nil, query.Wrong(query.ReasonMalformed, "effective_at", "is no time")
		}
		out.EffectiveBalanceMinor, err = s.effective(v, a.GetAccountId(), balances.LineSort(at.AsTime().Add(time.Microsecond), 0))
	}
	return out, err
}
