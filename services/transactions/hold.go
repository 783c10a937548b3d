package transactions

import (
	"github.com/refold/refold/projections/ledger"
)

// holdWish is what the commands have in common that end a hold.
type holdWish struct{ account, hold string }

func (w holdWish) accountID() string { return w.account }

func (w holdWish) content(c content) content { return c.text(w.account).text(w.hold) }

// other names the field in which a fact of an account and a hold differs, "" where none does.
func (w holdWish) other(account, hold string) string {
	switch {
	case account != w.account:
		return "account_id"
	case hold != w.hold:
		return "hold_id"
	}
	return ""
}

// open returns the hold and its account, or why it cannot be ended: it has ended already, and only once
// can it. A hold whose time is over has expired, and says so, before any command is decided by it.
func (w holdWish) open(v *view) (*ledger.Account, *ledger.Hold, *rejection) {
	a, r := v.usable(w.account)
	if r != nil {
		return nil, nil, r
	}
	h := v.hold(w.account, w.hold)
	if h == nil {
		return nil, nil, reject(ReasonHoldNotFound, "account %s has no hold %s", w.account, w.hold)
	}
	switch h.Ended {
	case ledger.Captured:
		return nil, nil, reject(ReasonHoldCaptured, "hold %s was captured", w.hold)
	case ledger.Released:
		return nil, nil, reject(ReasonHoldReleased, "hold %s was released", w.hold)
	case ledger.Expired:
		return nil, nil, reject(ReasonHoldExpired, "hold %s expired at %s", w.hold, text(h.ExpiresAt))
	}
	return a, h, nil
}
