package reports

import (
	"context"
	"errors"
	"time"

	"google.golang.org/genproto/googleapis/api/httpbody"

	"github.com/refold/refold/projections/balances"
	"github.com/refold/refold/projections/engine"
	"github.com/refold/refold/projections/projection"
	"github.com/refold/refold/schemas/api/bankv1"
)

// DownloadStatement implements bankv1.ReportsServiceServer.
func (s *Server) DownloadStatement(ctx context.Context, r *bankv1.DownloadStatementRequest) (*httpbody.HttpBody, error) {
	customer, err := home(r.GetAccountId())
	if err != nil {
		return nil, err
	}
	span, err := stretchOf(&bankv1.ListEntriesRequest{AccountId: r.GetAccountId(), From: r.GetFrom(), To: r.GetTo()})
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
	return s.statementFile(v, a, span)
}

func (s *Server) statementFile(v *engine.View, a *bankv1.Account, span stretch) (*httpbody.HttpBody, error) {
	balance, err := s.effective(v, a.GetAccountId(), span.from)
	if err != nil {
		return nil, err
	}
	file := newTable("occurred_at", "kind", "merchant", "category", "currency", "amount_minor", "balance_minor",
		"balance_as_recorded_minor", "recorded_at", "event_id", "reverses")
	var broken error
	err = v.Scan(a.GetAccountId(), span.from, span.to, func(k projection.Key, stored []byte) bool {
		l, err := s.line(stored)
		if err != nil {
			broken = err
			return false
		}
		balance += l.AmountMinor
		at, _ := balances.OccurredAt(k.Sort)
		fits := file.add(at.Format(time.RFC3339Nano), l.Kind, safe(l.Merchant), safe(l.Category), a.GetCurrency(), number(l.AmountMinor), number(balance),
			number(l.BalanceAfterMinor), l.RecordedAt.Time().Format(time.RFC3339Nano), l.EventID, l.Reverses)
		if !fits {
			broken = wrong(ReasonMalformed, "to", "must be earlier: the file would be larger than 3 MiB")
		}
		return fits
	})
	return file.answer(), errors.Join(err, broken)
}
