package transactions

import (
	"github.com/refold/refold/schemas/api/bankv1"
	"github.com/refold/refold/schemas/event"
)

// releaseHold wants a hold to end and its amount to be available again.
type releaseHold struct{ holdWish }

func newReleaseHold(r *bankv1.ReleaseHoldRequest, principal string) (*Command, *Refusal) {
	return newCommand(r, &releaseHold{holdWish{account: r.GetAccountId(), hold: r.GetHoldId()}}, principal)
}

func (w *releaseHold) name() string { return "ReleaseHold" }

func (w *releaseHold) decide(v *view) (fact, *rejection) {
	_, h, r := w.open(v)
	if r != nil {
		return nil, r
	}
	return &event.HoldReleased{AccountID: w.account, HoldID: w.hold, AmountMinor: h.AmountMinor, ExpiresAt: h.ExpiresAt}, nil
}

func (w *releaseHold) differs(f fact) string {
	e, ok := f.(*event.HoldReleased)
	if !ok {
		return "the command"
	}
	return w.other(e.AccountID, e.HoldID)
}
