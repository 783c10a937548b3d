package transactions

import (
	"github.com/refold/refold/schemas/api/bankv1"
	"github.com/refold/refold/schemas/event"
)

// transfer wants money to move from an account to another one of the same partition.
type transfer struct {
	wishedLegs // from, to
	category   string
}

func newTransfer(r *bankv1.TransferRequest, principal string) (*Command, *Refusal) {
	from, to, amount := r.GetAccountId(), r.GetToAccountId(), r.GetAmountMinor()
	if _, ok := customerOf(to); !ok {
		return nil, malformed("to_account_id: must be customer.name")
	}
	switch {
	case from == to:
		return nil, malformed("to_account_id: must be another account than account_id")
	case amount <= 0 || amount > maxAmount:
		return nil, malformed("amount_minor: must be positive, and fit")
	}
	return newCommand(r, &transfer{
		wishedLegs: wishedLegs{{from, -amount, r.GetCurrency()}, {to, amount, r.GetCurrency()}},
		category:   r.GetCategory(),
	}, principal)
}

func (w *transfer) name() string { return "Transfer" }

func (w *transfer) accountID() string { return w.wishedLegs[0].account }

func (w *transfer) content(c content) content { return w.wishedLegs.content(c).text(w.category) }

func (w *transfer) decide(v *view) (fact, *rejection) {
	legs, r := w.book(v)
	if r != nil {
		return nil, r
	}
	return &event.EntryPosted{Kind: event.EntryTransfer, Legs: legs, Category: w.category}, nil
}

func (w *transfer) differs(f fact) string {
	e, ok := f.(*event.EntryPosted)
	if !ok || e.Kind != event.EntryTransfer || len(e.Legs) != 2 {
		return "the command"
	}
	from, to := w.wishedLegs[0], w.wishedLegs[1]
	switch {
	case e.Legs[0].AccountID != from.account:
		return "account_id"
	case e.Legs[1].AccountID != to.account:
		return "to_account_id"
	case e.Legs[1].AmountMinor != to.amount:
		return "amount_minor"
	case e.Legs[1].Currency != to.currency:
		return "currency"
	case e.Category != w.category:
		return "category"
	}
	return ""
}
