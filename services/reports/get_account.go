package reports

import (
	"context"
	"time"

	"github.com/refold/refold/projections/balances"
	"github.com/refold/refold/schemas/api/bankv1"
)

// GetAccount implements bankv1.ReportsServiceServer.
func (s *Server) GetAccount(ctx context.Context, r *bankv1.GetAccountRequest) (*bankv1.GetAccountResponse, error) {
	customer, err := home(r.GetAccountId())
	if err != nil {
		return nil, err
	}
	v, err := s.view(ctx, question{projection: balances.Name, customer: customer, minPosition: r.GetMinPosition(), past: r})
	if err != nil {
		return nil, err
	}
	defer v.Close()
	a, err := s.account(v, r.GetAccountId())
	if err != nil {
		return nil, err
	}
	out := &bankv1.GetAccountResponse{Account: a, Freshness: freshness(v)}
	if at := r.GetEffectiveAt(); at != nil {
		// Lines have microseconds: everything before the next one occurred up to and at the time.
		if !at.IsValid() {
			return nil, wrong(ReasonMalformed, "effective_at", "is no time")
		}
		out.EffectiveBalanceMinor, err = s.effective(v, a.GetAccountId(), balances.LineSort(at.AsTime().Add(time.Microsecond), 0))
	}
	return out, err
}
