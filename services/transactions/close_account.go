package transactions

import (
	"github.com/refold/refold/schemas/api/bankv1"
	"github.com/refold/refold/schemas/event"
)

// closeAccount wants an account to end. It must be empty and have no open hold; it may be frozen.
type closeAccount struct{ accountWish }

func newCloseAccount(r *bankv1.CloseAccountRequest, principal string) (*Command, *Refusal) {
	return newCommand(r, &closeAccount{accountWish{account: r.GetAccountId(), reason: r.GetReason()}}, principal)
}

func (w *closeAccount) name() string { return "CloseAccount" }

func (w *closeAccount) decide(v *view) (fact, *rejection) {
	a, r := v.usable(w.account)
	if r != nil {
		return nil, r
	}
	if a.BalanceMinor != 0 {
		return nil, reject(ReasonBalanceNotZero, "account %s has %d, not zero", w.account, a.BalanceMinor)
	}
	if a.InTransitMinor > 0 {
		return nil, reject(ReasonTransfersPending, "%d of account %s are on their way to other accounts and may come back", a.InTransitMinor, w.account)
	}
	if len(a.Holds) > 0 {
		return nil, reject(ReasonHoldsOpen, "account %s has %d open holds", w.account, len(a.Holds))
	}
	return &event.AccountClosed{AccountID: w.account, Reason: w.reason}, nil
}

func (w *closeAccount) differs(f fact) string {
	e, ok := f.(*event.AccountClosed)
	if !ok {
		return "the command"
	}
	return w.other(e.AccountID, e.Reason)
}
