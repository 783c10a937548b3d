package category

import (
	"testing"

	"github.com/refold/refold/schemas/event"
)

func TestCodesAndWords(t *testing.T) {
	for _, c := range []struct {
		mcc, words string
		want       Category
		known      bool
	}{
		{"5411", "", Groceries, true},
		{"5812", "Vehicle Fuel", Restaurants, true}, // the code counts
		{"3501", "", Travel, true},
		{"9950", "", Other, true}, // a code of no kind
		{"5410", "", Other, false},
		{"5410", "fuel", Other, false},
		{"54110", "", Other, false},
		{"54x1", "", Other, false},
		{"0000", "", Other, false},
		{"", "Vehicle Fuel", Fuel, true},
		{"", "grocery_net", Groceries, true},
		{"", "personal_care", PersonalCare, true}, // a category is its own word
		{"", "In Year Credits", Other, true},
		{"", "no such words", Other, false},
		{"", "", Other, false},
	} {
		if got, known := Of(c.mcc, c.words); got != c.want || known != c.known {
			t.Errorf("%q %q: got %s, %v, want %s, %v", c.mcc, c.words, got, known, c.want, c.known)
		}
	}
}

func TestSpent(t *testing.T) {
	for _, c := range []struct {
		kind, reversed, mcc, words string
		want                       Category
		spends, known              bool
	}{
		{event.EntryCardPurchase, "", "5411", "", Groceries, true, true},
		{event.EntryCardPurchase, "", "", "", Other, true, false},
		{event.EntryRefund, "", "", "fuel", Fuel, true, true},
		{event.EntryWithdrawal, "", "", "", Withdrawals, true, true},
		{event.EntryWithdrawal, "", "", "household", Home, true, true},
		{event.EntryWithdrawal, "", "", "remittance_out", Withdrawals, true, true},
		{event.EntryWithdrawal, "", "", "nobody knows", Withdrawals, true, false},
		{event.EntryFee, "", "", "statement_fee", Fees, true, true},
		{event.EntryReversal, event.EntryFee, "", "", Fees, true, true},
		{event.EntryReversal, event.EntryDeposit, "", "", Other, false, true},
		{event.EntryTransfer, "", "5411", "", Other, false, true},
	} {
		if got, spends, known := Spent(c.kind, c.reversed, c.mcc, c.words); got != c.want || spends != c.spends || known != c.known {
			t.Errorf("%v: got %s, %v, %v", c, got, spends, known)
		}
	}
}

// Every code of the table has a category, or one that says that it has none.
func TestSpans(t *testing.T) {
	last, covered := 0, 0
	for _, s := range spans() {
		if s.from <= last || s.to < s.from || s.is == Other {
			t.Errorf("span %d to %d of %s lies wrongly behind %d", s.from, s.to, s.is, last)
		}
		last = s.to
	}
	for n, is := range registered() {
		if is && codes()[n] != Other {
			covered++
		}
	}
	if rows := len(read(codeTable)); rows != 981 || covered != rows-4 {
		t.Errorf("got %d codes, %d of them with a category, want 981 and all but 9700, 9701, 9702 and 9950", rows, covered)
	}
}

func TestNames(t *testing.T) {
	for c := range Count {
		if got, ok := Named(c.String()); got != c || !ok {
			t.Errorf("%d is named %q, which names %d", c, c, got)
		}
	}
	if c, ok := Named("nothing"); c != Other || ok {
		t.Errorf("got %s, %v", c, ok)
	}
}

func BenchmarkOf(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		Of("", "grocery_pos")
	}
}
