package transactions

import (
	"math"
	"strconv"

	"github.com/refold/refold/projections/ledger"
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
	case r.GetAmountMinor() <= 0:
		return nil, malformed("amount_minor: must be positive")
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

// counterID names the other side: the bank itself for what the bank takes and gives, the world for the rest.
func (w *postEntry) counterID(partition int32) string {
	side := "@world."
	if w.kind == event.EntryFee || w.kind == event.EntryInterest {
		side = "@fees."
	}
	return side + strconv.Itoa(int(partition)) + "." + w.currency
}

func (w *postEntry) content(c content) content {
	return c.text(w.account).text(w.kind).number(w.amount).text(w.currency).
		text(w.merchant).text(w.mcc).text(w.category).text(w.refundOf)
}

// change is what the entry adds to the account's balance.
func (w *postEntry) change() int64 {
	switch w.kind {
	case event.EntryWithdrawal, event.EntryCardPurchase, event.EntryFee:
		return -w.amount
	}
	return w.amount
}

func (w *postEntry) decide(v view) (fact, *rejection) {
	if v.account == nil {
		return nil, reject(ReasonAccountNotFound, "account %s does not exist", w.account)
	}
	if w.currency != v.account.Currency {
		return nil, reject(ReasonCurrencyMismatch, "account %s is in %s, not in %s", w.account, v.account.Currency, w.currency)
	}
	change := w.change()
	leg, ok := nextLeg(v.account, w.account, change, w.currency)
	if !ok {
		return nil, reject(ReasonAmountOverflow, "the balance of account %s would not fit into 64 bits", w.account)
	}
	if change < 0 && leg.BalanceAfterMinor < -v.account.OverdraftLimitMinor {
		return nil, reject(ReasonInsufficientFunds, "account %s has %d and may go to %d: %d are too many",
			w.account, v.account.BalanceMinor, -v.account.OverdraftLimitMinor, w.amount)
	}
	counter := v.counter
	if counter == nil {
		counter = &ledger.Account{}
	}
	id := w.counterID(v.partition)
	other, ok := nextLeg(counter, id, -change, w.currency)
	if !ok {
		return nil, reject(ReasonAmountOverflow, "the balance of account %s would not fit into 64 bits", id)
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

// nextLeg books an amount to an account. It fails where the balance would not fit.
func nextLeg(a *ledger.Account, id string, amount int64, currency string) (event.Leg, bool) {
	if amount > 0 && a.BalanceMinor > math.MaxInt64-amount || amount < 0 && a.BalanceMinor < math.MinInt64-amount {
		return event.Leg{}, false
	}
	return event.Leg{
		AccountID:         id,
		AmountMinor:       amount,
		Currency:          currency,
		BalanceAfterMinor: a.BalanceMinor + amount,
		AccountSeq:        a.Seq + 1,
	}, true
}

func (w *postEntry) differs(f fact) string {
	e, ok := f.(*event.EntryPosted)
	switch {
	case !ok || len(e.Legs) == 0:
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
