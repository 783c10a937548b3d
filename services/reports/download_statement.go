package reports

import (
	"context"
	"errors"

	"google.golang.org/genproto/googleapis/api/httpbody"

	"github.com/refold/refold/projections/balances"
	"github.com/refold/refold/projections/engine"
	"github.com/refold/refold/projections/projection"
	"github.com/refold/refold/schemas/api/bankv1"
	"github.com/refold/refold/schemas/table"
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

// DownloadStatement implements bankv1.ReportsServiceServer.
func (s *Server) DownloadStatement(ctx context.Context, r *bankv1.DownloadStatementRequest) (*httpbody.HttpBody, error) {
	return s.download(ctx, r, table.CSV)
}

// DownloadStatementParquet implements bankv1.ReportsServiceServer.
func (s *Server) DownloadStatementParquet(ctx context.Context, r *bankv1.DownloadStatementRequest) (*httpbody.HttpBody, error) {
	return s.download(ctx, r, table.Parquet)
}

func (s *Server) download(ctx context.Context, r *bankv1.DownloadStatementRequest, f table.Format) (*httpbody.HttpBody, error) {
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
	return fileOf(f, func(w *table.Writer[entryLine]) error { return s.writeStatement(v, a, span, w) })
}

func (s *Server) writeStatement(v *engine.View, a *bankv1.Account, span stretch, w *table.Writer[entryLine]) error {
	balance, err := s.effective(v, a.GetAccountId(), span.from)
	if err != nil {
		return err
	}
	var broken error
	err = v.Scan(a.GetAccountId(), span.from, span.to, func(k projection.Key, stored []byte) bool {
		var l *balances.Line
		if l, broken = s.line(stored); broken != nil {
			return false
		}
		balance += l.AmountMinor
		at, _ := balances.OccurredAt(k.Sort)
		broken = w.Write(entryLine{
			OccurredAt: at.UnixMicro(), Kind: l.Kind, Merchant: l.Merchant, Category: l.Category, Currency: a.GetCurrency(), AmountMinor: l.AmountMinor,
			BalanceMinor: balance, BalanceAsRecordedMinor: l.BalanceAfterMinor, RecordedAt: int64(l.RecordedAt), EventID: l.EventID, Reverses: l.Reverses,
		})
		return broken == nil
	})
	return errors.Join(err, broken)
}
