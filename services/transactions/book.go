package transactions

import (
	"fmt"
	"math"
	"strconv"

	"github.com/refold/refold/projections/ledger"
	"github.com/refold/refold/schemas/event"
)

// usable returns an account that is not closed, or why there is none.
func (v *view) usable(id string) (*ledger.Account, *rejection) {
	a := v.account(id)
	switch {
	case a == nil:
		return nil, reject(ReasonAccountNotFound, "account %s does not exist", id)
	case a.Closed:
		return nil, reject(ReasonAccountClosed, "account %s is closed", id)
	}
	return a, nil
}

// book returns the leg that books an amount to an account of a customer, or why it is not booked. What is
// booked where, by the status of the account:
//
//	          credit  debit
//	open      yes     yes, down to the overdraft limit
//	frozen    yes     no, nor is a hold placed or captured; one is released, and expires
//	closed    no      no
func (v *view) book(id string, amount int64, currency string) (event.Leg, *rejection) {
	a, r := v.usable(id)
	if r != nil {
		return event.Leg{}, r
	}
	leg, r := bookTo(a, id, amount, currency)
	if r == nil && amount < 0 {
		leg.LimitDay, r = v.spend(a, id, -amount)
	}
	return leg, r
}

// bookBack is book without a daily limit: for what is taken back.
func (v *view) bookBack(id string, amount int64, currency string) (event.Leg, *rejection) {
	a, r := v.usable(id)
	if r != nil {
		return event.Leg{}, r
	}
	return bookTo(a, id, amount, currency)
}

// bookTo is bookBack to an account that is not closed.
func bookTo(a *ledger.Account, id string, amount int64, currency string) (event.Leg, *rejection) {
	switch {
	case currency != a.Currency:
		return event.Leg{}, reject(ReasonCurrencyMismatch, "account %s is in %s, not in %s", id, a.Currency, currency)
	case amount < 0 && a.Frozen:
		return event.Leg{}, frozen(id)
	}
	leg, r := nextLeg(a, id, amount, currency)
	if r == nil && amount < 0 {
		r = enough(a, id, -amount)
	}
	return leg, r
}

// enough refuses to take an amount from what is available of an account: its balance less what is held.
func enough(a *ledger.Account, id string, amount int64) *rejection {
	// Neither side can leave 64 bits, whatever the amount: what is held is never more than there is.
	if amount-a.OverdraftLimitMinor <= a.BalanceMinor-a.HeldMinor {
		return nil
	}
	held := ""
	if a.HeldMinor > 0 {
		held = fmt.Sprintf(", of which %d are held,", a.HeldMinor)
	}
	return reject(ReasonInsufficientFunds, "account %s has %d%s and may go to %d: %d are too many",
		id, a.BalanceMinor, held, -a.OverdraftLimitMinor, amount)
}

// bookInternal returns the leg that books an amount to one of the bank's own accounts.
func (v *view) bookInternal(id string, amount int64, currency string) (event.Leg, *rejection) {
	a := v.account(id)
	if a == nil {
		a = &ledger.Account{}
	}
	return nextLeg(a, id, amount, currency)
}

// The bank's own accounts, of which each partition has one for each currency.
const (
	world    = "@world."    // where money comes from and goes to
	fees     = "@fees."     // what the bank takes and gives
	clearing = "@clearing." // what was sent to other partitions, less what was received from them
)

// internal returns the id of one of the bank's own accounts.
func (v *view) internal(side, currency string) string {
	return side + strconv.Itoa(int(v.partition)) + "." + currency
}

func frozen(id string) *rejection { return reject(ReasonAccountFrozen, "account %s is frozen", id) }

// nextLeg books an amount to an account. It fails where the balance would not fit, or would not if all came
// back that is on its way to other partitions.
func nextLeg(a *ledger.Account, id string, amount int64, currency string) (event.Leg, *rejection) {
	if amount > 0 && a.BalanceMinor > math.MaxInt64-a.InTransitMinor-amount || amount < 0 && a.BalanceMinor < math.MinInt64-amount {
		return event.Leg{}, reject(ReasonAmountOverflow, "the balance of account %s would not fit into 64 bits", id)
	}
	return event.Leg{
		AccountID:         id,
		AmountMinor:       amount,
		Currency:          currency,
		BalanceAfterMinor: a.BalanceMinor + amount,
		AccountSeq:        a.Seq + 1,
	}, nil
}
