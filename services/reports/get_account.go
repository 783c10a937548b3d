package reports

import (
	"context"

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
	return &bankv1.GetAccountResponse{Account: a, Freshness: freshness(v)}, nil
}
