package reports

import (
	"context"
	"errors"

	"google.golang.org/genproto/googleapis/api/httpbody"

	"github.com/refold/refold/projections/balances"
	"github.com/refold/refold/projections/engine"
	"github.com/refold/refold/projections/projection"
	"github.com/refold/refold/schemas/api/bankv1"
	"github.com/refold/refold/services/query"
)

// entryLine is a line of the file of a statement. Times are in microseconds.
type entryLine struct {
	OccurredAt             int64  `parquet:"occurred_at,timestamp(microsecond)"`
	Kind                   string `parquet:"kind,dict"`
	Merchant               string `parquet:"merchant,dict"`
	Category               string `parquet:"category,dict"`
	Currency               string `parquet:"currency,dict"`
	AmountMinor            int64  `parquet:"amount_minor"`
	BalanceMinor           int64  `parquet:"balance_minor"`
	BalanceAsRecordedMinor int64  `parquet:"balance_as_recorded_minor"`
	RecordedAt             int64  `parquet:"recorded_at,timestamp(microsecond)"`
	EventID                string `parquet:"event_id"`
	Reverses               string `parquet:"reverses"`
}

// fields implements line.
func (l entryLine) fields() []string {
	return []string{
		stamp(l.OccurredAt), l.Kind, safe(l.Merchant), safe(l.Category), l.Currency, number(l.AmountMinor), number(l.BalanceMinor),
		number(l.BalanceAsRecordedMinor), stamp(l.RecordedAt), l.EventID, l.Reverses,
	}
}

// DownloadStatement implements bankv1.ReportsServiceServer.
func (s *Server) DownloadStatement(ctx context.Context, r *bankv1.DownloadStatementRequest) (*httpbody.HttpBody, error) {
	return s.download(ctx, r, asCSV)
}

// DownloadStatementParquet implements bankv1.ReportsServiceServer.
func (s *Server) DownloadStatementParquet(ctx context.Context, r *bankv1.DownloadStatementRequest) (*httpbody.HttpBody, error) {
	return s.download(ctx, r, asParquet)
}

func (s *Server) download(ctx context.Context, r *bankv1.DownloadStatementRequest, f format) (*httpbody.HttpBody, error) {
	customer, err := home(r.GetAccountId())
	if err != nil {
		return nil, err
	}
	span, err := stretchOf(&bankv1.ListEntriesRequest{AccountId: r.GetAccountId(), From: r.GetFrom(), To: r.GetTo()})
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
	return s.statementFile(v, a, span, newTable[entryLine](f))
}

func (s *Server) statementFile(v *engine.View, a *bankv1.Account, span stretch, file *table[entryLine]) (*httpbody.HttpBody, error) {
	balance, err := s.effective(v, a.GetAccountId(), span.from)
	if err != nil {
		return nil, err
	}
	var broken error
	err = v.Scan(a.GetAccountId(), span.from, span.to, func(k projection.Key, stored []byte) bool {
		l, err := s.line(stored)
		if err != nil {
			broken = err
			return false
		}
		balance += l.AmountMinor
		at, _ := balances.OccurredAt(k.Sort)
		fits := file.add(entryLine{
			OccurredAt: at.UnixMicro(), Kind: l.Kind, Merchant: l.Merchant, Category: l.Category, Currency: a.GetCurrency(), AmountMinor: l.AmountMinor,
			BalanceMinor: balance, BalanceAsRecordedMinor: l.BalanceAfterMinor, RecordedAt: int64(l.RecordedAt), EventID: l.EventID, Reverses: l.Reverses,
		})
		if !fits {
			broken = query.Wrong(query.ReasonMalformed, "to", "must be earlier: the file would be larger than 3 MiB")
		}
		return fits
	})
	if err := errors.Join(err, broken); err != nil {
		return nil, err
	}
	return file.answer()
}
