package reports

import (
	"context"

	"google.golang.org/genproto/googleapis/api/httpbody"

	"github.com/refold/refold/schemas/api/bankv1"
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

// fields implements line.
func (l spendingLine) fields() []string {
	entries := ""
	if l.Entries != nil {
		entries = number(*l.Entries)
	}
	return []string{l.Month, l.Category, l.Currency, number(l.SpentMinor), entries}
}

// DownloadSpending implements bankv1.ReportsServiceServer.
func (s *Server) DownloadSpending(ctx context.Context, r *bankv1.GetSpendingRequest) (*httpbody.HttpBody, error) {
	return s.spendingFile(ctx, r, asCSV)
}

// DownloadSpendingParquet implements bankv1.ReportsServiceServer.
func (s *Server) DownloadSpendingParquet(ctx context.Context, r *bankv1.GetSpendingRequest) (*httpbody.HttpBody, error) {
	return s.spendingFile(ctx, r, asParquet)
}

func (s *Server) spendingFile(ctx context.Context, r *bankv1.GetSpendingRequest, f format) (*httpbody.HttpBody, error) {
	got, err := s.GetSpending(ctx, r)
	if err != nil {
		return nil, err
	}
	file := newTable[spendingLine](f)
	for _, m := range got.GetMonths() {
		for _, c := range m.GetCategories() {
			file.add(spendingLine{m.GetMonth(), c.GetCategory(), c.GetCurrency(), c.GetSpentMinor(), &c.Entries})
		}
		for _, t := range m.GetTotals() {
			if t.GetIncomeMinor() != 0 {
				file.add(spendingLine{m.GetMonth(), "income", t.GetCurrency(), -t.GetIncomeMinor(), nil})
			}
		}
	}
	return file.answer()
}
