package transactions

import (
	"github.com/refold/refold/schemas/api/bankv1"
	"github.com/refold/refold/schemas/event"
)

// transfer wants money to move from an account to another one of the same partition; see sendTransfer for
// that of another. An account that is frozen receives none.
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

func (w *transfer) from() wishedLeg { return w.wishedLegs[0] }

func (w *transfer) to() wishedLeg { return w.wishedLegs[1] }

func (w *transfer) accountID() string { return w.from().account }

func (w *transfer) content(c content) content { return w.wishedLegs.content(c).text(w.category) }

func (w *transfer) decide(v *view) (fact, *rejection) {
	if a := v.account(w.to().account); a != nil && a.Frozen {
		return nil, frozen(w.to().account)
	}
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
	return w.other(e, e.Legs[1].AccountID)
}

// other names the field in which an entry differs that moves money to an account, "" where none does.
func (w *transfer) other(e *event.EntryPosted, to string) string {
	switch {
	case e.Legs[0].AccountID != w.from().account:
		return "account_id"
	case to != w.to().account:
		return "to_account_id"
	case e.Legs[1].AmountMinor != w.to().amount:
		return "amount_minor"
	case e.Legs[1].Currency != w.to().currency:
		return "currency"
	case e.Category != w.category:
		return "category"
	}
	return ""
}
