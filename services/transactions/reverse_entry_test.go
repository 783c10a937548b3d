package transactions

import (
	"reflect"
	"testing"

	"github.com/refold/refold/projections/ledger"
	"github.com/refold/refold/schemas/api/bankv1"
	"github.com/refold/refold/schemas/event"
)

func reverseRequest(account, key, entry string) *bankv1.ReverseEntryRequest {
	return &bankv1.ReverseEntryRequest{IdempotencyKey: key, AccountId: account, EntryId: entry}
}

// purchase is an entry of account c1.main.
func purchase(id string, amount int64) *event.EntryPosted {
	return &event.EntryPosted{Envelope: event.Envelope{EventID: id}, Kind: event.EntryCardPurchase, Category: "food", Legs: []event.Leg{
		{AccountID: "c1.main", AmountMinor: -amount, Currency: "EUR"}, {AccountID: "@world.7.EUR", AmountMinor: amount, Currency: "EUR"},
	}}
}

func gift(amount int64) *event.EntryPosted {
	e := purchase("e", -amount)
	e.Kind = event.EntryDeposit
	return e
}

func TestReverseEntryDecides(t *testing.T) {
	back := gift(100)
	back.Kind = event.EntryReversal
	closed := account(100, 0, 1)
	closed.Closed = true
	for name, c := range map[string]struct {
		view *view
		want string
	}{
		"a purchase":                 {seen(accounts{"c1.main": account(0, 0, 1)}).add(t, purchase("e", 100), ledger.Entry{}), ""},
		"a gift":                     {seen(accounts{"c1.main": account(100, 0, 1)}).add(t, gift(100), ledger.Entry{}), ""},
		"LG-17 what was spent":       {seen(accounts{"c1.main": account(99, 0, 1)}).add(t, gift(100), ledger.Entry{}), ReasonInsufficientFunds},
		"LG-17 what is held":         {seen(accounts{"c1.main": holding(100, 0, 1)}).add(t, gift(100), ledger.Entry{}), ReasonInsufficientFunds},
		"LG-16 twice":                {seen(accounts{"c1.main": account(0, 0, 1)}).add(t, purchase("e", 100), ledger.Entry{ReversedBy: "b"}), ReasonEntryReversed},
		"LG-16 a reversal":           {seen(accounts{"c1.main": account(0, 0, 1)}).add(t, back, ledger.Entry{}), ReasonNotReversible},
		"what was refunded":          {seen(accounts{"c1.main": account(0, 0, 1)}).add(t, purchase("e", 100), ledger.Entry{RefundedMinor: 1}), ReasonEntryRefunded},
		"what is not there":          {seen(accounts{"c1.main": account(0, 0, 1)}), ReasonEntryNotFound},
		"a gift of a closed account": {seen(accounts{"c1.main": closed}).add(t, gift(100), ledger.Entry{}), ReasonAccountClosed},
	} {
		t.Run(name, func(t *testing.T) {
			if got := reasonIn(decide(c.view, made(t, reverseRequest("c1.main", "k", "e")))); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
	v := seen(accounts{"c1.main": account(0, 0, 1), "c1.other": account(0, 0, 1)}).add(t, purchase("e", 100), ledger.Entry{})
	if got := reasonIn(decide(v, made(t, reverseRequest("c1.other", "k", "e")))); got != ReasonEntryNotFound {
		t.Errorf("by another account: got %q, want %s", got, ReasonEntryNotFound)
	}
}

func TestReverseEntryBooksTheOpposite(t *testing.T) {
	v := seen(accounts{"c1.main": account(5, 0, 4), "@world.7.EUR": account(-5, 0, 9)}).add(t, purchase("e", 30), ledger.Entry{})
	got := decide(v, made(t, reverseRequest("c1.main", "k", "e")))
	want := &event.EntryPosted{
		Kind: event.EntryReversal, Category: "food", Reverses: "e", ReversesKind: event.EntryCardPurchase,
		Legs: []event.Leg{
			{AccountID: "c1.main", AmountMinor: 30, Currency: "EUR", BalanceAfterMinor: 35, AccountSeq: 5},
			{AccountID: "@world.7.EUR", AmountMinor: -30, Currency: "EUR", BalanceAfterMinor: -35, AccountSeq: 10},
		},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	for field, r := range map[string]*bankv1.ReverseEntryRequest{
		"account_id": reverseRequest("c1.other", "k", "e"), "entry_id": reverseRequest("c1.main", "k", "f"), "": reverseRequest("c1.main", "k", "e"),
	} {
		if got := made(t, r).wish.differs(got); got != field {
			t.Errorf("got %q, want %q", got, field)
		}
	}
}

// LG-16 from end to end: partial refunds up to the purchase, a refund taken back, reversals once.
func TestLG16RefundsAndReversals(t *testing.T) {
	i, _ := timed(t)
	buy := withdrawal("c1.main", "buy", 50)
	buy.Kind = bankv1.EntryKind_ENTRY_KIND_CARD_PURCHASE
	bought := i.posted(buy).GetRecord().GetEventId()
	refund := func(amount int64) (string, error) {
		r := refund(bought, amount)
		r.IdempotencyKey = i.key()
		answer, err := i.post(r)
		return answer.GetRecord().GetEventId(), err
	}
	reverse := func(entry string) (string, error) {
		answer, err := i.ReverseEntry(t.Context(), reverseRequest("c1.main", i.key(), entry))
		return answer.GetRecord().GetEventId(), err
	}
	expect := func(want string) func(string, error) string {
		return func(id string, err error) string {
			t.Helper()
			if got := reasonOf(t, err); got != want {
				t.Errorf("got %q, want %q", got, want)
			}
			return id
		}
	}
	first := expect("")(refund(30))
	expect(ReasonRefundExceeds)(refund(21))
	second := expect("")(refund(20))
	expect(ReasonRefundExceeds)(refund(1))
	expect(ReasonEntryRefunded)(reverse(bought))
	back := expect("")(reverse(second))
	expect(ReasonEntryReversed)(reverse(second))
	expect(ReasonNotReversible)(reverse(back))
	expect("")(reverse(first))
	expect("")(reverse(bought))
	expect(ReasonEntryReversed)(refund(1))
	expect(ReasonEntryNotFound)(reverse("nothing"))
	if got := i.bank.balance("c1.main"); got != 100 {
		t.Errorf("balance: got %d, want 100", got)
	}
}

func TestOnlyPurchasesAreRefunded(t *testing.T) {
	i, _ := timed(t)
	_, err := i.post(refund(event.ID("c1", "d"), 1))
	if got := reasonOf(t, err); got != ReasonNotRefundable {
		t.Errorf("got %q, want %s", got, ReasonNotRefundable)
	}
}
