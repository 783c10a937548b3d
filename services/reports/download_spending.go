package reports

import (
	"context"

	"google.golang.org/genproto/googleapis/api/httpbody"

	"github.com/refold/refold/schemas/api/bankv1"
	"github.com/refold/refold/schemas/table"
)

// spendingLine is a line of a file of what was spent. What was got has the category income, is below zero, and is not
// counted in entries.
type spendingLine struct {
	Month      string `parquet:"month"`
	Category   string `parquet:"category,dict"`
	Currency   string `parquet:"currency,dict"`
	SpentMinor int64  `parquet:"spent_minor"`
	Entries    *int64 `parquet:"entries,optional"`
}

// DownloadSpending implements bankv1.ReportsServiceServer.
func (s *Server) DownloadSpending(ctx context.Context, r *bankv1.GetSpendingRequest) (*httpbody.HttpBody, error) {
	return s.spendingFile(ctx, r, table.CSV)
}

// DownloadSpendingParquet implements bankv1.ReportsServiceServer.
func (s *Server) DownloadSpendingParquet(ctx context.Context, r *bankv1.GetSpendingRequest) (*httpbody.HttpBody, error) {
	return s.spendingFile(ctx, r, table.Parquet)
}

func (s *Server) spendingFile(ctx context.Context, r *bankv1.GetSpendingRequest, f table.Format) (*httpbody.HttpBody, error) {
	got, err := s.GetSpending(ctx, r)
	if err != nil {
		return nil, err
	}
	return fileOf(f, func(w *table.Writer[spendingLine]) error { return writeSpending(got, w) })
}

func writeSpending(r *bankv1.GetSpendingResponse, w *table.Writer[spendingLine]) error {
	for _, m := range r.GetMonths() {
		for _, c := range m.GetCategories() {
			if err := w.Write(spendingLine{m.GetMonth(), c.GetCategory(), c.GetCurrency(), c.GetSpentMinor(), &c.Entries}); err != nil {
				return err
			}
		}
		for _, t := range m.GetTotals() {
			if t.GetIncomeMinor() == 0 {
				continue
			}
			if err := w.Write(spendingLine{m.GetMonth(), "income", t.GetCurrency(), -t.GetIncomeMinor(), nil}); err != nil {
				return err
			}
		}
	}
	return nil
}
