package reports

import (
	"context"

	"google.golang.org/genproto/googleapis/api/httpbody"

	"github.com/refold/refold/schemas/api/bankv1"
)

// DownloadSpending implements bankv1.ReportsServiceServer. What was got has the category income, and is below
// zero.
func (s *Server) DownloadSpending(ctx context.Context, r *bankv1.GetSpendingRequest) (*httpbody.HttpBody, error) {
	got, err := s.GetSpending(ctx, r)
	if err != nil {
		return nil, err
	}
	file := newTable("month", "category", "currency", "spent_minor", "entries")
	for _, m := range got.GetMonths() {
		for _, c := range m.GetCategories() {
			file.add(m.GetMonth(), c.GetCategory(), c.GetCurrency(), number(c.GetSpentMinor()), number(c.GetEntries()))
		}
		for _, t := range m.GetTotals() {
			if t.GetIncomeMinor() != 0 {
				file.add(m.GetMonth(), "income", t.GetCurrency(), number(-t.GetIncomeMinor()), "")
			}
		}
	}
	return file.answer(), nil
}
