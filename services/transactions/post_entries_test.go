package transactions

import (
	"reflect"
	"testing"

	"github.com/refold/refold/schemas/api/bankv1"
	"github.com/refold/refold/schemas/event"
)

// shared is a purchase of 30 that two accounts share, with a fee of 2 on the first.
func shared() *bankv1.PostEntriesRequest {
	return &bankv1.PostEntriesRequest{
		IdempotencyKey: "k", AccountId: "c1.main", Kind: bankv1.EntryKind_ENTRY_KIND_CARD_PURCHASE, Merchant: "m", Mcc: "1234", Category: "food",
		Legs: []*bankv1.PostedLeg{
			{AccountId: "c1.main", AmountMinor: -22, Currency: "EUR"},
			{AccountId: "c2.main", AmountMinor: -10, Currency: "EUR"},
			{AccountId: "@world", AmountMinor: 30, Currency: "EUR"},
			{AccountId: "@fees", AmountMinor: 2, Currency: "EUR"},
		},
	}
}

func TestPostEntriesBooksEveryLeg(t *testing.T) {
	given := accounts{"c1.main": account(100, 0, 4), "c2.main": account(10, 0, 0), "@world.7.EUR": account(-5, 0, 9)}
	got := decide(seen(given), made(t, shared()))
	want := &event.EntryPosted{Kind: event.EntryCardPurchase, Merchant: "m", MCC: "1234", Category: "food", Legs: []event.Leg{
		{AccountID: "c1.main", AmountMinor: -22, Currency: "EUR", BalanceAfterMinor: 78, AccountSeq: 5},
		{AccountID: "c2.main", AmountMinor: -10, Currency: "EUR", BalanceAfterMinor: 0, AccountSeq: 1},
		{AccountID: "@world.7.EUR", AmountMinor: 30, Currency: "EUR", BalanceAfterMinor: 25, AccountSeq: 10},
		{AccountID: "@fees.7.EUR", AmountMinor: 2, Currency: "EUR", BalanceAfterMinor: 2, AccountSeq: 1},
	}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if field := made(t, shared()).wish.differs(got); field != "" {
		t.Errorf("the same: got %q", field)
	}
	for field, change := range map[string]func(*bankv1.PostEntriesRequest){
		"kind":     func(r *bankv1.PostEntriesRequest) { r.Kind = bankv1.EntryKind_ENTRY_KIND_TRANSFER },
		"legs":     func(r *bankv1.PostEntriesRequest) { r.Legs[2].AmountMinor--; r.Legs[3].AmountMinor++ },
		"merchant": func(r *bankv1.PostEntriesRequest) { r.Merchant = "x" },
		"mcc":      func(r *bankv1.PostEntriesRequest) { r.Mcc = "4321" },
		"category": func(r *bankv1.PostEntriesRequest) { r.Category = "x" },
	} {
		r := shared()
		change(r)
		if differs := made(t, r).wish.differs(got); differs != field || made(t, r).hash == made(t, shared()).hash {
			t.Errorf("got %q, want %q and another digest", differs, field)
		}
	}
}

func TestPostEntriesRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		given accounts
		want  string
	}{
		"LG-8 one has too little": {accounts{"c1.main": account(100, 0, 4), "c2.main": account(9, 0, 0)}, ReasonInsufficientFunds},
		"LG-8 one is not there":   {accounts{"c1.main": account(100, 0, 4)}, ReasonAccountNotFound},
		"LG-8 one is closed":      {accounts{"c1.main": account(100, 0, 4), "c2.main": {Closed: true}}, ReasonAccountClosed},
		"LG-6 other currency":     {accounts{"c1.main": account(100, 0, 4), "c2.main": {Currency: "USD"}}, ReasonCurrencyMismatch},
	} {
		if got := reasonIn(decide(seen(c.given), made(t, shared()))); got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}

func TestMalformedPostEntries(t *testing.T) {
	for name, change := range map[string]func(*bankv1.PostEntriesRequest){
		"no kind":              func(r *bankv1.PostEntriesRequest) { r.Kind = 0 },
		"a refund":             func(r *bankv1.PostEntriesRequest) { r.Kind = bankv1.EntryKind_ENTRY_KIND_REFUND },
		"a reversal":           func(r *bankv1.PostEntriesRequest) { r.Kind = bankv1.EntryKind_ENTRY_KIND_REVERSAL },
		"no legs":              func(r *bankv1.PostEntriesRequest) { r.Legs = nil },
		"does not sum up":      func(r *bankv1.PostEntriesRequest) { r.Legs[0].AmountMinor-- },
		"sums by currency":     func(r *bankv1.PostEntriesRequest) { r.Legs[3].Currency = "USD" },
		"LG-7 twice":           func(r *bankv1.PostEntriesRequest) { r.Legs[1].AccountId = "c1.main" },
		"the bank twice":       func(r *bankv1.PostEntriesRequest) { r.Legs[3].AccountId = "@world" },
		"another side":         func(r *bankv1.PostEntriesRequest) { r.Legs[3].AccountId = "@clearing" },
		"an internal account":  func(r *bankv1.PostEntriesRequest) { r.Legs[3].AccountId = "@fees.0.EUR" },
		"zero":                 func(r *bankv1.PostEntriesRequest) { r.Legs[3].AmountMinor = 0; r.Legs[2].AmountMinor = 32 },
		"too much":             func(r *bankv1.PostEntriesRequest) { r.Legs[0].AmountMinor = -maxAmount - 1 },
		"not of its customer":  func(r *bankv1.PostEntriesRequest) { r.AccountId = "c3.main" },
		"only the bank's legs": func(r *bankv1.PostEntriesRequest) { r.Legs = r.Legs[2:]; r.Legs[0].AmountMinor = -2 },
	} {
		r := shared()
		change(r)
		if _, refusal := commandOf(r, "tester"); refusal == nil || refusal.Reason != ReasonMalformed {
			t.Errorf("%s: got %v, want %s", name, refusal, ReasonMalformed)
		}
	}
}

func TestLG6ExchangeIsBalancedPerCurrency(t *testing.T) {
	dollars := account(0, 0, 0)
	dollars.Currency = "USD"
	r := &bankv1.PostEntriesRequest{
		IdempotencyKey: "k", AccountId: "c1.main", Kind: bankv1.EntryKind_ENTRY_KIND_TRANSFER, Legs: []*bankv1.PostedLeg{
			{AccountId: "c1.main", AmountMinor: -100, Currency: "EUR"}, {AccountId: "@world", AmountMinor: 100, Currency: "EUR"},
			{AccountId: "@world", AmountMinor: -109, Currency: "USD"}, {AccountId: "c1.dollars", AmountMinor: 109, Currency: "USD"},
		},
	}
	got, ok := decide(seen(accounts{"c1.main": account(100, 0, 1), "c1.dollars": dollars}), made(t, r)).(*event.EntryPosted)
	if !ok || len(got.Legs) != 4 || got.Legs[2].AccountID != "@world.7.USD" || got.Legs[3].BalanceAfterMinor != 109 {
		t.Errorf("got %+v, want both currencies booked", got)
	}
}

func TestLG8NoneIsAppliedWhereOneFails(t *testing.T) {
	i := newBank(t, 1).start()
	i.open("c1.main")
	i.open("c2.main")
	i.posted(deposit("c1.main", "d", 100))
	_, err := i.PostEntries(t.Context(), shared())
	if got := reasonOf(t, err); got != ReasonInsufficientFunds {
		t.Errorf("got %q, want %s", got, ReasonInsufficientFunds)
	}
	if got := i.bank.balance("c1.main"); got != 100 {
		t.Errorf("balance: got %d, want 100", got)
	}
	i.posted(deposit("c2.main", "d", 10))
	r := shared()
	r.IdempotencyKey = "again"
	answer, err := i.PostEntries(t.Context(), r)
	if err != nil || len(answer.GetEntry().GetLegs()) != 4 {
		t.Errorf("got %v, %v, want four legs", answer, err)
	}
	if a, b := i.bank.balance("c1.main"), i.bank.balance("c2.main"); a != 78 || b != 0 {
		t.Errorf("balances: got %d and %d, want 78 and 0", a, b)
	}
}
