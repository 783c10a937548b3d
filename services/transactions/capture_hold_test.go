package transactions

import (
	"reflect"
	"testing"

	"github.com/refold/refold/projections/ledger"
	"github.com/refold/refold/schemas/api/bankv1"
	"github.com/refold/refold/schemas/event"
)

func captureRequest(account, key, hold string, amount int64) *bankv1.CaptureHoldRequest {
	return &bankv1.CaptureHoldRequest{IdempotencyKey: key, AccountId: account, HoldId: hold, AmountMinor: amount}
}

// withHold is what a command is decided by where an account has a hold of 100 that ended in some way.
func withHold(a *ledger.Account, ended string) *view {
	v := seen(accounts{"c1.main": a})
	v.rows.(table)[ledger.HoldKey("c1.main", "a")] = &ledger.Row{Hold: &ledger.Hold{
		Ended: ended, AmountMinor: 100, Currency: "EUR", ExpiresAt: noon + holdLong, Merchant: "a hotel", MCC: "7011", Category: "travel",
	}}
	return v
}

func TestCaptureHoldDecides(t *testing.T) {
	frozen, closed := holding(100, 0, 100), account(0, 0, 1)
	frozen.Frozen, closed.Closed = true, true
	for name, c := range map[string]struct {
		amount int64
		view   *view
		want   string
	}{
		"all":                          {100, withHold(holding(100, 0, 100), ledger.Open), ""},
		"LG-11 a part":                 {60, withHold(holding(100, 0, 100), ledger.Open), ""},
		"LG-11 too much":               {101, withHold(holding(1000, 0, 100), ledger.Open), ReasonHoldExceeded},
		"LG-11 captured":               {41, withHold(account(40, 0, 2), ledger.Captured), ReasonHoldCaptured},
		"LG-12 released":               {100, withHold(account(100, 0, 1), ledger.Released), ReasonHoldReleased},
		"LG-14 expired":                {100, withHold(account(100, 0, 1), ledger.Expired), ReasonHoldExpired},
		"LG-15 all the rest is held":   {100, withHold(holding(150, 0, 100, 50), ledger.Open), ""},
		"a hold that is not there":     {100, seen(accounts{"c1.main": account(100, 0, 1)}), ReasonHoldNotFound},
		"an account that is not there": {100, seen(nil), ReasonAccountNotFound},
		"LG-9 frozen":                  {100, withHold(frozen, ledger.Open), ReasonAccountFrozen},
		"LG-9 closed":                  {100, withHold(closed, ledger.Released), ReasonAccountClosed},
	} {
		t.Run(name, func(t *testing.T) {
			got := decide(c.view, made(t, captureRequest("c1.main", "k", "a", c.amount)))
			if reason := reasonIn(got); reason != c.want {
				t.Errorf("got %q, want %q", reason, c.want)
			}
		})
	}
}

func TestCaptureHoldBooksAnEntry(t *testing.T) {
	for _, c := range []struct {
		asked, amount int64
		kind          bankv1.EntryKind
		name, counter string
	}{
		{60, 60, 0, event.EntryCardPurchase, "@world.7.EUR"},
		{0, 100, bankv1.EntryKind_ENTRY_KIND_WITHDRAWAL, event.EntryWithdrawal, "@world.7.EUR"},
		{0, 100, bankv1.EntryKind_ENTRY_KIND_FEE, event.EntryFee, "@fees.7.EUR"},
	} {
		r := captureRequest("c1.main", "k", "a", c.asked)
		r.Kind = c.kind
		got := decide(withHold(holding(150, 0, 100, 50), ledger.Open), made(t, r))
		want := &event.EntryPosted{
			Kind: c.name, Merchant: "a hotel", MCC: "7011", Category: "travel",
			HoldID: "a", HoldAmountMinor: 100, HoldExpiresAt: noon + holdLong,
			Legs: []event.Leg{
				{AccountID: "c1.main", AmountMinor: -c.amount, Currency: "EUR", BalanceAfterMinor: 150 - c.amount, AccountSeq: 2},
				{AccountID: c.counter, AmountMinor: c.amount, Currency: "EUR", BalanceAfterMinor: c.amount, AccountSeq: 1},
			},
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
}

func TestMalformedCaptureHold(t *testing.T) {
	for name, change := range map[string]func(*bankv1.CaptureHoldRequest){
		"money in": func(r *bankv1.CaptureHoldRequest) { r.Kind = bankv1.EntryKind_ENTRY_KIND_SALARY },
		"unknown":  func(r *bankv1.CaptureHoldRequest) { r.Kind = 99 },
		"negative": func(r *bankv1.CaptureHoldRequest) { r.AmountMinor = -1 },
	} {
		r := captureRequest("c1.main", "k", "a", 1)
		change(r)
		if _, refusal := commandOf(r, "tester"); refusal == nil || refusal.Reason != ReasonMalformed {
			t.Errorf("%s: got %v, want %s", name, refusal, ReasonMalformed)
		}
	}
}

func TestCaptureHoldThatDiffersIsNamed(t *testing.T) {
	first := made(t, captureRequest("c1.main", "k", "a", 0))
	captured := decide(withHold(holding(100, 0, 100), ledger.Open), first)
	for want, change := range map[string]func(*bankv1.CaptureHoldRequest){
		"account_id":   func(r *bankv1.CaptureHoldRequest) { r.AccountId = "c1.other" },
		"hold_id":      func(r *bankv1.CaptureHoldRequest) { r.HoldId = "b" },
		"amount_minor": func(r *bankv1.CaptureHoldRequest) { r.AmountMinor = 1 },
		"kind":         func(r *bankv1.CaptureHoldRequest) { r.Kind = bankv1.EntryKind_ENTRY_KIND_FEE },
	} {
		r := captureRequest("c1.main", "k", "a", 0)
		change(r)
		other := made(t, r)
		if got := other.wish.differs(captured); got != want || other.hash == first.hash {
			t.Errorf("got %q, want %q and another digest", got, want)
		}
	}
	if got := made(t, withdrawal("c1.main", "k", 100)).wish.differs(captured); got != "the command" {
		t.Errorf("an entry: got %q, want the command", got)
	}
}
