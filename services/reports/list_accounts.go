package reports

import (
	"context"
	"errors"

	"github.com/refold/refold/projections/balances"
	"github.com/refold/refold/projections/projection"
	"github.com/refold/refold/schemas/api/bankv1"
	"github.com/refold/refold/services/query"
)

// ListAccounts implements bankv1.ReportsServiceServer. A customer without accounts has none; whether there
// is such a customer is not asked here.
func (s *Server) ListAccounts(ctx context.Context, r *bankv1.ListAccountsRequest) (*bankv1.ListAccountsResponse, error) {
	v, err := s.reader.View(ctx, query.Question{Projection: balances.Name, Customer: r.GetCustomerId(), MinPosition: r.GetMinPosition(), Past: r})
	if err != nil {
		return nil, err
	}
	defer v.Close()
	out := &bankv1.ListAccountsResponse{}
	var broken error
	err = v.Scan(r.GetCustomerId(), "", "", func(k projection.Key, stored []byte) bool {
		var a *bankv1.Account
		if a, broken = s.decodeAccount(k.Partition, stored); broken == nil {
			out.Accounts = append(out.Accounts, a)
		}
		return broken == nil
	})
	if err := errors.Join(err, broken); err != nil {
		return nil, err
	}
	out.Freshness = query.Freshness(v)
	return out, nil
}
