package transactions

import (
	"github.com/refold/refold/schemas/api/bankv1"
	"github.com/refold/refold/schemas/event"
)

// unfreezeAccount wants an account to be as it was before it was frozen.
type unfreezeAccount struct{ accountWish }

func newUnfreezeAccount(r *bankv1.UnfreezeAccountRequest, principal string) (*Command, *Refusal) {
	return newCommand(r, &unfreezeAccount{accountWish{account: r.GetAccountId(), reason: r.GetReason()}}, principal)
}

func (w *unfreezeAccount) name() string { return "UnfreezeAccount" }

func (w *unfreezeAccount) decide(v *view) (fact, *rejection) {
	a, r := v.usable(w.account)
	if r != nil {
		return nil, r
	}
	if !a.Frozen {
		return nil, reject(ReasonAccountNotFrozen, "account %s is not frozen", w.account)
	}
	return &event.AccountUnfrozen{AccountID: w.account, Reason: w.reason}, nil
}

func (w *unfreezeAccount) differs(f fact) string {
	e, ok := f.(*event.AccountUnfrozen)
	if !ok {
		return "the command"
	}
	return w.other(e.AccountID, e.Reason)
}
