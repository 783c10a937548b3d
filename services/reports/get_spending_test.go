package reports_test

import (
	"slices"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"github.com/refold/refold/schemas/api/bankv1"
	"github.com/refold/refold/schemas/event"
	"github.com/refold/refold/services/query"
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
			if l := month.GetCategories(); len(l) != 2 || l[0].GetCategory() != "groceries" || l[0].GetSpentMinor() != 100 || l[0].GetEntries() != 1 || l[0].GetCurrency() != "EUR" || l[1].GetCategory() != "fees" {
				t.Errorf("%s: got %v", month.GetMonth(), l)
			}
		}
	}
	_, err := b.server.GetSpending(t.Context(), &bankv1.GetSpendingRequest{CustomerId: "c1", From: "2015-01", To: "2014-12"})
	refused(t, err, codes.InvalidArgument, query.ReasonMalformed)
}

// The totals of a month say what was spent and got, and stand beside those of the calendar month before.
func TestTotalsOfMonths(t *testing.T) {
	b := newBank(t)
	at := func(month int) time.Time { return time.Date(2014, time.Month(month), 15, 0, 0, 0, 0, time.UTC) }
	seen := b.commit(opened("c1.main", event.AccountCurrent),
		b.posted("c1.main", at(1), event.EntrySalary, "", 1000), b.posted("c1.main", at(1), event.EntryCardPurchase, "food", -300), b.posted("c1.main", at(1), event.EntryFee, "", -1),
		b.posted("c1.main", at(2), event.EntryCardPurchase, "fuel", -500), b.posted("c1.main", at(2), event.EntryCardPurchase, "nobody knows", -5),
		b.posted("c1.main", at(4), event.EntryRefund, "fuel", 100))
	got, err := b.server.GetSpending(t.Context(), &bankv1.GetSpendingRequest{CustomerId: "c1", From: "2014-02", MinPosition: seen})
	if err != nil || got.GetTimeZone() != "UTC" {
		t.Fatalf("got %v, %v", got, err)
	}
	total := func(spent, income, before int64) []*bankv1.MonthTotal {
		return []*bankv1.MonthTotal{{
			Currency: "EUR", SpentMinor: spent, IncomeMinor: income, NetMinor: income - spent, SpentBeforeMinor: before, SpentChangeMinor: spent - before,
		}}
	}
	spent := func(name string, minor int64) *bankv1.CategorySpending {
		return &bankv1.CategorySpending{Category: name, Currency: "EUR", SpentMinor: minor, Entries: 1}
	}
	want := &bankv1.GetSpendingResponse{TimeZone: "UTC", Freshness: got.GetFreshness(), Months: []*bankv1.MonthSpending{
		{Month: "2014-02", Categories: []*bankv1.CategorySpending{spent("other", 5), spent("fuel", 500)}, Totals: total(505, 0, 301), UnknownEntries: 1},
		{Month: "2014-04", Categories: []*bankv1.CategorySpending{spent("fuel", -100)}, Totals: total(-100, 0, 0)},
	}}
	if !proto.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	got, err = b.server.GetSpending(t.Context(), &bankv1.GetSpendingRequest{CustomerId: "c1", To: "2014-01", MinPosition: seen})
	if err != nil || len(got.GetMonths()) != 1 || !proto.Equal(got.GetMonths()[0].GetTotals()[0], total(301, 1000, 0)[0]) {
		t.Errorf("got %v, %v", got, err)
	}
}

// Months begin and end where the customer is, or where the question says.
func TestMonthsWhereTheCustomerIs(t *testing.T) {
	b := newBank(t)
	tokyo := opened("c1.main", event.AccountCurrent)
	tokyo.TimeZone = "Asia/Tokyo" // nine hours ahead
	last := time.Date(2014, 1, 31, 15, 0, 0, 0, time.UTC)
	seen := b.commit(tokyo, b.posted("c1.main", last.Add(-time.Second), event.EntryCardPurchase, "food", -1), b.posted("c1.main", last, event.EntryCardPurchase, "food", -2))
	for _, c := range []struct {
		asked, zone, from, to string
		months                []string
		spent                 int64
	}{
		{"", "Asia/Tokyo", "", "", []string{"2014-01", "2014-02"}, 3},
		{"", "Asia/Tokyo", "2014-02", "", []string{"2014-02"}, 2},
		{"", "Asia/Tokyo", "2014-01", "2014-01", []string{"2014-01"}, 1},
		{"", "Asia/Tokyo", "2014-01", "9999-12", []string{"2014-01", "2014-02"}, 3},
		{"Europe/Paris", "Europe/Paris", "", "", []string{"2014-01"}, 3},
	} {
		got, err := b.server.GetSpending(t.Context(), &bankv1.GetSpendingRequest{CustomerId: "c1", From: c.from, To: c.to, TimeZone: c.asked, MinPosition: seen})
		if err != nil || got.GetTimeZone() != c.zone {
			t.Fatalf("got %v, %v", got, err)
		}
		var months []string
		spent := int64(0)
		for _, m := range got.GetMonths() {
			months, spent = append(months, m.GetMonth()), spent+m.GetTotals()[0].GetSpentMinor()
		}
		if !slices.Equal(months, c.months) || spent != c.spent {
			t.Errorf("%s from %q to %q: got %v with %d, want %v with %d", c.zone, c.from, c.to, months, spent, c.months, c.spent)
		}
	}
	_, err := b.server.GetSpending(t.Context(), &bankv1.GetSpendingRequest{CustomerId: "c1", TimeZone: "Nowhere/Else", MinPosition: seen})
	refused(t, err, codes.InvalidArgument, query.ReasonMalformed)
}
