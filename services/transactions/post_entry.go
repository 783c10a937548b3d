package transactions

import (
	"github.com/refold/refold/schemas/api/bankv1"
	"github.com/refold/refold/schemas/event"
)

// postEntry wants money to move between an account and the world, or the bank.
type postEntry struct {
	account  string
	kind     string
	amount   int64 // minor units; positive
	currency string
	merchant string
	mcc      string
	category string
	refundOf string
}

func newPostEntry(r *bankv1.PostEntryRequest, principal string) (*Command, *Refusal) {
	kind, ok := kindName(r.GetKind(), bankv1.EntryKind_name, entryKindPrefix)
	switch {
	case !ok:
		return nil, malformed("kind: must be set")
	case kind == event.EntryReversal || kind == event.EntryTransfer || kind == event.EntryTransferReturn:
		return nil, malformed("kind: must be another: ReverseEntry takes an entry back, Transfer moves money between accounts")
	case r.GetAmountMinor() <= 0:
		return nil, malformed("amount_minor: must be positive")
	case kind != event.EntryRefund && r.GetRefundOf() != "":
		return nil, malformed("refund_of: must be empty: the entry is no refund")
	case kind == event.EntryRefund && r.GetRefundOf() == "" && !r.GetHistorical():
		return nil, malformed("refund_of: must name the purchase: only imported history may leave it out")
	}
	return newCommand(r, &postEntry{
		account:  r.GetAccountId(),
		kind:     kind,
		amount:   r.GetAmountMinor(),
		currency: r.GetCurrency(),
		merchant: r.GetMerchant(),
		mcc:      r.GetMcc(),
		category: r.GetCategory(),
		refundOf: r.GetRefundOf(),
	}, principal)
}

func (w *postEntry) name() string { return "PostEntry" }

func (w *postEntry) accountID() string { return w.account }

// sideOf names the other side of an entry: the bank itself for what the bank takes and gives, the world for
// the rest.
func sideOf(kind string) string {
	if kind == event.EntryFee || kind == event.EntryInterest {
		return fees
	}
	return world
}

// takes reports whether entries of a kind take money out of an account.
func takes(kind string) bool {
	return kind == event.EntryWithdrawal || kind == event.EntryCardPurchase || kind == event.EntryFee
}

func (w *postEntry) content(c content) content {
	return c.text(w.account).text(w.kind).number(w.amount).text(w.currency).
		text(w.merchant).text(w.mcc).text(w.category).text(w.refundOf)
}

// change is what the entry adds to the account's balance.
func (w *postEntry) change() int64 {
	if takes(w.kind) {
		return -w.amount
	}
	return w.amount
}

func (w *postEntry) decide(v *view) (fact, *rejection) {
	leg, r := v.book(w.account, w.change(), w.currency)
	if r == nil && w.refundOf != "" {
		r = w.refundable(v)
	}
	if r != nil {
		return nil, r
	}
	other, r := v.bookInternal(v.internal(sideOf(w.kind), w.currency), -w.change(), w.currency)
	if r != nil {
		return nil, r
	}
	return &event.EntryPosted{
		Kind:     w.kind,
		Legs:     []event.Leg{leg, other},
		Merchant: w.merchant,
		MCC:      w.mcc,
		Category: w.category,
		RefundOf: w.refundOf,
	}, nil
}

// refundable refuses to give back more than a purchase, or what is none.
func (w *postEntry) refundable(v *view) *rejection {
	e, became, r := v.entryOf(w.account, w.refundOf)
	switch {
	case r != nil:
		return r
	case e.Kind != event.EntryCardPurchase || e.Legs[0].AccountID != w.account:
		return reject(ReasonNotRefundable, "entry %s is not a purchase of account %s", w.refundOf, w.account)
	case became.ReversedBy != "":
		return reversed(w.refundOf, became)
	}
	if paid := -e.Legs[0].AmountMinor; w.amount > paid-became.RefundedMinor {
		return reject(ReasonRefundExceeds, "%d of the %d of entry %s were refunded: %d more are too many",
			became.RefundedMinor, paid, w.refundOf, w.amount)
	}
	return nil
}

func (w *postEntry) differs(f fact) string {
	e, ok := f.(*event.EntryPosted)
	switch {
	case !ok || len(e.Legs) == 0 || e.HoldID != "" || e.Reverses != "":
		return "the command"
	case e.Legs[0].AccountID != w.account:
		return "account_id"
	case e.Kind != w.kind:
		return "kind"
	case e.Legs[0].AmountMinor != w.change():
		return "amount_minor"
	case e.Legs[0].Currency != w.currency:
		return "currency"
	case e.Merchant != w.merchant:
		return "merchant"
	case e.MCC != w.mcc:
		return "mcc"
	case e.Category != w.category:
		return "category"
	case e.RefundOf != w.refundOf:
		return "refund_of"
	}
	return ""
}
