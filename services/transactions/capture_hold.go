package transactions

import (
	"github.com/refold/refold/schemas/api/bankv1"
	"github.com/refold/refold/schemas/event"
)

// captureHold wants what a hold holds, or a part of it, to be taken, and the hold to end.
type captureHold struct {
	holdWish
	kind   string // of the entry
	amount int64  // minor units; 0: all that is held
}

func newCaptureHold(r *bankv1.CaptureHoldRequest, principal string) (*Command, *Refusal) {
	kind := event.EntryCardPurchase
	if r.GetKind() != 0 {
		kind, _ = kindName(r.GetKind(), bankv1.EntryKind_name, entryKindPrefix)
	}
	switch {
	case !takes(kind):
		return nil, malformed("kind: must take money out")
	case r.GetAmountMinor() < 0:
		return nil, malformed("amount_minor: must not be negative")
	}
	return newCommand(r, &captureHold{
		holdWish: holdWish{account: r.GetAccountId(), hold: r.GetHoldId()},
		kind:     kind,
		amount:   r.GetAmountMinor(),
	}, principal)
}

func (w *captureHold) name() string { return "CaptureHold" }

func (w *captureHold) content(c content) content {
	return w.holdWish.content(c).text(w.kind).number(w.amount)
}

func (w *captureHold) decide(v *view) (fact, *rejection) {
	a, h, r := w.open(v)
	if r != nil {
		return nil, r
	}
	amount := w.amount
	if amount == 0 {
		amount = h.AmountMinor
	}
	if amount > h.AmountMinor {
		return nil, reject(ReasonHoldExceeded, "hold %s holds %d, not %d", w.hold, h.AmountMinor, amount)
	}
	// The hold ends first: what it held is available to the entry.
	free := *a
	free.HeldMinor -= h.AmountMinor
	leg, r := bookTo(&free, w.account, -amount, h.Currency)
	if r != nil {
		return nil, r
	}
	other, r := v.bookInternal(v.internal(sideOf(w.kind), h.Currency), amount, h.Currency)
	if r != nil {
		return nil, r
	}
	return &event.EntryPosted{
		Kind: w.kind, Legs: []event.Leg{leg, other}, Merchant: h.Merchant, MCC: h.MCC, Category: h.Category,
		HoldID: w.hold, HoldAmountMinor: h.AmountMinor, HoldExpiresAt: h.ExpiresAt,
	}, nil
}

func (w *captureHold) differs(f fact) string {
	e, ok := f.(*event.EntryPosted)
	if !ok || e.HoldID == "" {
		return "the command"
	}
	if field := w.other(e.Legs[0].AccountID, e.HoldID); field != "" {
		return field
	}
	amount := -e.Legs[0].AmountMinor
	switch {
	case e.Kind != w.kind:
		return "kind"
	case w.amount != amount && (w.amount != 0 || amount != e.HoldAmountMinor):
		return "amount_minor"
	}
	return ""
}
