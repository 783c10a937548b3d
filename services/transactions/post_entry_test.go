package transactions

import (
	"math"
	"reflect"
	"testing"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/refold/refold/projections/ledger"
	"github.com/refold/refold/schemas/api/bankv1"
	"github.com/refold/refold/schemas/event"
)

const noon = event.Micros(1_700_000_000_000_000)

func account(balance, limit, seq int64) *ledger.Account {
	return &ledger.Account{Currency: "EUR", BalanceMinor: balance, OverdraftLimitMinor: limit, Seq: seq}
}

func TestPostEntryBooksBothLegs(t *testing.T) {
	for _, c := range []struct {
		kind    bankv1.EntryKind
		name    string
		change  int64
		counter string
	}{
		{bankv1.EntryKind_ENTRY_KIND_DEPOSIT, event.EntryDeposit, 30, "@world.7.EUR"},
		{bankv1.EntryKind_ENTRY_KIND_WITHDRAWAL, event.EntryWithdrawal, -30, "@world.7.EUR"},
		{bankv1.EntryKind_ENTRY_KIND_CARD_PURCHASE, event.EntryCardPurchase, -30, "@world.7.EUR"},
		{bankv1.EntryKind_ENTRY_KIND_REFUND, event.EntryRefund, 30, "@world.7.EUR"},
		{bankv1.EntryKind_ENTRY_KIND_FEE, event.EntryFee, -30, "@fees.7.EUR"},
		{bankv1.EntryKind_ENTRY_KIND_INTEREST, event.EntryInterest, 30, "@fees.7.EUR"},
		{bankv1.EntryKind_ENTRY_KIND_SALARY, event.EntrySalary, 30, "@world.7.EUR"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := deposit("c1.main", "k", 30)
			r.Kind, r.Merchant, r.Mcc, r.Category = c.kind, "m", "1234", "food"
			if c.name == event.EntryRefund {
				r.RefundOf = "p"
			}
			command, refusal := newPostEntry(r, "tester")
			if refusal != nil {
				t.Fatal(refusal)
			}
			got := decide(seen(accounts{"c1.main": account(100, 0, 4), c.counter: account(-5, 0, 9)}).add(t, purchase("p", 30), ledger.Entry{}), command)
			want := &event.EntryPosted{Kind: c.name, Merchant: "m", MCC: "1234", Category: "food", RefundOf: r.RefundOf, Legs: []event.Leg{
				{AccountID: "c1.main", AmountMinor: c.change, Currency: "EUR", BalanceAfterMinor: 100 + c.change, AccountSeq: 5},
				{AccountID: c.counter, AmountMinor: -c.change, Currency: "EUR", BalanceAfterMinor: -5 - c.change, AccountSeq: 10},
			}}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("got %+v, want %+v", got, want)
			}
		})
	}
}

func TestPostEntryRefuses(t *testing.T) {
	in := func(amount int64) *bankv1.PostEntryRequest { return deposit("c1.main", "k", amount) }
	out := func(amount int64) *bankv1.PostEntryRequest { return withdrawal("c1.main", "k", amount) }
	at := func(m event.Micros) *bankv1.PostEntryRequest {
		r := in(1)
		r.OccurredAt = timestamppb.New(m.Time())
		return r
	}
	for name, c := range map[string]struct {
		request *bankv1.PostEntryRequest
		given   accounts
		want    string
	}{
		"no account":              {in(1), nil, ReasonAccountNotFound},
		"LG-6 other currency":     {in(1), accounts{"c1.main": {Currency: "USD"}}, ReasonCurrencyMismatch},
		"first leg of a counter":  {in(1), accounts{"c1.main": account(0, 0, 0)}, ""},
		"down to zero":            {out(100), accounts{"c1.main": account(100, 0, 1)}, ""},
		"below zero":              {out(101), accounts{"c1.main": account(100, 0, 1)}, ReasonInsufficientFunds},
		"down to the limit":       {out(150), accounts{"c1.main": account(100, 50, 1)}, ""},
		"below the limit":         {out(151), accounts{"c1.main": account(100, 50, 1)}, ReasonInsufficientFunds},
		"credit below the floor":  {in(1), accounts{"c1.main": account(-10, 0, 1)}, ""},
		"debit below the floor":   {out(1), accounts{"c1.main": account(-10, 0, 1)}, ReasonInsufficientFunds},
		"LG-5 account full":       {in(2), accounts{"c1.main": account(math.MaxInt64-1, 0, 1)}, ReasonAmountOverflow},
		"LG-5 account just full":  {in(1), accounts{"c1.main": account(math.MaxInt64-1, 0, 1)}, ""},
		"LG-5 account empty":      {out(2), accounts{"c1.main": account(math.MinInt64+1, math.MaxInt64, 1)}, ReasonAmountOverflow},
		"LG-5 world empty":        {in(2), accounts{"c1.main": account(0, 0, 1), "@world.7.EUR": account(math.MinInt64+1, 0, 1)}, ReasonAmountOverflow},
		"LG-5 world full":         {out(2), accounts{"c1.main": account(5, 0, 1), "@world.7.EUR": account(math.MaxInt64-1, 0, 1)}, ReasonAmountOverflow},
		"a day ahead":             {at(noon + maxAhead), accounts{"c1.main": account(0, 0, 0)}, ""},
		"more than a day ahead":   {at(noon + maxAhead + 1), accounts{"c1.main": account(0, 0, 0)}, ReasonOccurredAt},
		"in 1900":                 {at(earliest), accounts{"c1.main": account(0, 0, 0)}, ""},
		"before 1900":             {at(earliest - 1), accounts{"c1.main": account(0, 0, 0)}, ReasonOccurredAt},
		"wrong time, no account":  {at(earliest - 1), nil, ReasonOccurredAt},
		"no funds, other account": {out(1), accounts{"c1.main": {Currency: "JPY"}}, ReasonCurrencyMismatch},
	} {
		t.Run(name, func(t *testing.T) {
			command, refusal := newPostEntry(c.request, "tester")
			if refusal != nil {
				t.Fatal(refusal)
			}
			got := ""
			if r, ok := decide(seen(c.given), command).(*event.CommandRejected); ok {
				got = r.Reason
			}
			if got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestMalformedPostEntry(t *testing.T) {
	for name, change := range map[string]func(*bankv1.PostEntryRequest){
		"no kind":         func(r *bankv1.PostEntryRequest) { r.Kind = 0 },
		"LG-4 zero":       func(r *bankv1.PostEntryRequest) { r.AmountMinor = 0 },
		"LG-4 negative":   func(r *bankv1.PostEntryRequest) { r.AmountMinor = -1 },
		"no key":          func(r *bankv1.PostEntryRequest) { r.IdempotencyKey = "" },
		"no dot":          func(r *bankv1.PostEntryRequest) { r.AccountId = "c1" },
		"impossible time": func(r *bankv1.PostEntryRequest) { r.OccurredAt = &timestamppb.Timestamp{Seconds: math.MaxInt64} },
		"refund of what":  func(r *bankv1.PostEntryRequest) { r.Kind = bankv1.EntryKind_ENTRY_KIND_REFUND },
		"no refund":       func(r *bankv1.PostEntryRequest) { r.RefundOf = "p" },
	} {
		r := deposit("c1.main", "k", 1)
		change(r)
		if _, refusal := newPostEntry(r, "tester"); refusal == nil || refusal.Reason != ReasonMalformed {
			t.Errorf("%s: got %v, want %s", name, refusal, ReasonMalformed)
		}
	}
}

// A source of history may not tell which purchase a refund gives back.
func TestImportedRefundNamesNoPurchase(t *testing.T) {
	r := refund("", 30)
	r.Historical = true
	e, ok := decide(seen(accounts{"c1.main": account(100, 0, 4)}), made(t, r)).(*event.EntryPosted)
	if !ok || e.Kind != event.EntryRefund || e.Legs[0].AmountMinor != 30 {
		t.Errorf("got %+v, want a refund of 30", e)
	}
}

// refund gives back a part of a purchase of c1.main.
func refund(of string, amount int64) *bankv1.PostEntryRequest {
	r := deposit("c1.main", "k", amount)
	r.Kind, r.RefundOf = bankv1.EntryKind_ENTRY_KIND_REFUND, of
	return r
}

func BenchmarkDecide(b *testing.B) {
	command, refusal := newPostEntry(withdrawal("c1.main", "k", 30), "tester")
	if refusal != nil {
		b.Fatal(refusal)
	}
	v := seen(accounts{"c1.main": account(100, 0, 4), "@world.7.EUR": account(-5, 0, 9)})
	b.ReportAllocs()
	for b.Loop() {
		decide(v, command)
	}
}
