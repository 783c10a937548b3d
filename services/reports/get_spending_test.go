package reports_test

import (
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/refold/refold/schemas/api/bankv1"
	"github.com/refold/refold/schemas/event"
	"github.com/refold/refold/services/reports"
)

func TestSpending(t *testing.T) {
	b := newBank(t)
	facts := []any{opened("c1.main", event.AccountCurrent), opened("c1.x", event.AccountCurrent)}
	for month := range 24 {
		at := time.Date(2014, time.Month(1+month), 3, 0, 0, 0, 0, time.UTC)
		facts = append(facts, b.posted("c1.main", at, event.EntryCardPurchase, "food", -100), b.posted("c1.x", at, event.EntryFee, "", -1))
	}
	seen := b.commit(facts...)
	for _, c := range []struct {
		from, to    string
		n           int
		first, last string
	}{
		{"", "", 24, "2014-01", "2015-12"},
		{"2014-03", "", 22, "2014-03", "2015-12"},
		{"", "2014-03", 3, "2014-01", "2014-03"},
		{"2014-12", "2015-01", 2, "2014-12", "2015-01"},
		{"2014-02", "2014-02", 1, "2014-02", "2014-02"},
		{"2016-01", "2016-12", 0, "", ""},
	} {
		got, err := b.server.GetSpending(t.Context(), &bankv1.GetSpendingRequest{CustomerId: "c1", From: c.from, To: c.to, MinPosition: seen})
		if err != nil {
			t.Fatal(err)
		}
		m := got.GetMonths()
		if len(m) != c.n || (c.n > 0 && (m[0].GetMonth() != c.first || m[c.n-1].GetMonth() != c.last)) {
			t.Errorf("from %q to %q: got %v, want %d months", c.from, c.to, m, c.n)
			continue
		}
		for _, month := range m {
			if l := month.GetCategories(); len(l) != 2 || l[0].GetCategory() != "fees" || l[1].GetSpentMinor() != 100 || l[1].GetEntries() != 1 || l[1].GetCurrency() != "EUR" {
				t.Errorf("%s: got %v", month.GetMonth(), l)
			}
		}
	}
	_, err := b.server.GetSpending(t.Context(), &bankv1.GetSpendingRequest{CustomerId: "c1", From: "2015-01", To: "2014-12"})
	refused(t, err, codes.InvalidArgument, reports.ReasonMalformed)
}
