package transactions

import (
	"testing"

	"github.com/refold/refold/schemas/event"
)

// What comes back always has room: credits leave it.
func TestCreditsLeaveRoomForWhatIsOnItsWay(t *testing.T) {
	a := account(1<<62, 0, 1)
	a.InTransitMinor = 1<<62 - 1
	for amount, want := range map[int64]string{1: ReasonAmountOverflow, 0: ""} {
		if _, r := nextLeg(a, payer, amount, "EUR"); (r == nil) != (want == "") {
			t.Errorf("%d: got %v, want %q", amount, r, want)
		}
	}
	w := &endTransfer{id: "t", account: payer, reason: ReasonAccountClosed}
	e := &event.EntryPosted{Kind: event.EntryTransfer, Counterparty: receiver, Legs: []event.Leg{
		{AccountID: payer, AmountMinor: -7, Currency: "EUR"}, {AccountID: "@clearing.0.EUR", AmountMinor: 7, Currency: "EUR"},
	}}
	full := account(1<<62, 0, 1)
	full.InTransitMinor = 1<<62 - 1
	f, r := w.giveBack(seen(accounts{payer: full}), full, e)
	if r != nil || f.(*event.EntryPosted).Legs[0].BalanceAfterMinor != 1<<62+7 {
		t.Errorf("got %+v, %v, want it back", f, r)
	}
}
