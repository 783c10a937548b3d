package transactions

import (
	"github.com/refold/refold/schemas/api/bankv1"
	"github.com/refold/refold/schemas/event"
)

// freezeAccount wants that no money leaves an account until it is unfrozen. Money may still come.
type freezeAccount struct{ accountWish }

func newFreezeAccount(r *bankv1.FreezeAccountRequest, principal string) (*Command, *Refusal) {
	return newCommand(r, &freezeAccount{accountWish{account: r.GetAccountId(), reason: r.GetReason()}}, principal)
}

func (w *freezeAccount) name() string { return "FreezeAccount" }

func (w *freezeAccount) decide(v *view) (fact, *rejection) {
	a, r := v.usable(w.account)
	if r != nil {
		return nil, r
	}
	if a.Frozen {
		return nil, frozen(w.account)
	}
	return &event.AccountFrozen{AccountID: w.account, Reason: w.reason}, nil
}

func (w *freezeAccount) differs(f fact) string {
	e, ok := f.(*event.AccountFrozen)
	if !ok {
		return "the command"
	}
	return w.other(e.AccountID, e.Reason)
}
