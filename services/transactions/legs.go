package transactions

import (
	"fmt"
	"slices"
	"strings"

	"github.com/refold/refold/projections/ledger"
	"github.com/refold/refold/schemas/event"
)

// maxAmount bounds every amount of a leg, in minor units, so that the legs of an entry can be summed.
const maxAmount = 1_000_000_000_000_000

// spread is a wish that is about accounts of several customers, who must share a partition.
type spread interface {
	// parties are all accounts of customers that it is about.
	parties() []string
}

// wishedLeg is one account's part of an entry that is to be posted.
type wishedLeg struct {
	account  string // of a customer, or one of the sides @world and @fees
	amount   int64  // minor units, credit positive
	currency string
}

// side returns the bank's own side that a leg is booked to, "" where it is booked to a customer.
func (l wishedLeg) side() string {
	if ledger.Internal(l.account) {
		return l.account + "."
	}
	return ""
}

// wishedLegs are the parts of one entry: every account once, and sums of zero.
type wishedLegs []wishedLeg

func (l wishedLegs) parties() []string {
	var out []string
	for _, leg := range l {
		if leg.side() == "" {
			out = append(out, leg.account)
		}
	}
	return out
}

// accountIDs implements broad.
func (l wishedLegs) accountIDs(*view) []string { return l.parties() }

func (l wishedLegs) content(c content) content {
	c = c.number(int64(len(l)))
	for _, leg := range l {
		c = c.text(leg.account).number(leg.amount).text(leg.currency)
	}
	return c
}

// book books every leg, or none.
func (l wishedLegs) book(v *view) ([]event.Leg, *rejection) {
	out := make([]event.Leg, 0, len(l))
	for _, wished := range l {
		var leg event.Leg
		var r *rejection
		if side := wished.side(); side != "" {
			leg, r = v.bookInternal(v.internal(side, wished.currency), wished.amount, wished.currency)
		} else {
			leg, r = v.book(wished.account, wished.amount, wished.currency)
		}
		if r != nil {
			return nil, r
		}
		out = append(out, leg)
	}
	return out, nil
}

// are reports whether the legs became those of an entry.
func (l wishedLegs) are(legs []event.Leg) bool {
	return slices.EqualFunc(l, legs, func(w wishedLeg, e event.Leg) bool {
		same := w.account == e.AccountID
		if side := w.side(); side != "" {
			same = strings.HasPrefix(e.AccountID, side)
		}
		return same && w.amount == e.AmountMinor && w.currency == e.Currency
	})
}

// malformed says which field makes the legs no entry, "" where they are one.
func (l wishedLegs) malformed() string {
	type place struct{ account, currency string }
	seen := make(map[place]bool)
	sums := make(map[string]int64)
	for i, leg := range l {
		at := place{account: leg.account}
		side := leg.side()
		if side != "" {
			at.currency = leg.currency
		}
		_, ok := customerOf(leg.account)
		switch {
		case !ok && side != world && side != fees:
			return fmt.Sprintf("legs[%d].account_id: must be customer.name, @world or @fees", i)
		case leg.amount == 0 || leg.amount > maxAmount || leg.amount < -maxAmount:
			return fmt.Sprintf("legs[%d].amount_minor: must not be zero, and fit", i)
		case seen[at]:
			return fmt.Sprintf("legs[%d].account_id: must not be there twice", i)
		}
		seen[at] = true
		sums[leg.currency] += leg.amount
	}
	for _, sum := range sums {
		if sum != 0 {
			return "legs: must sum to zero in every currency"
		}
	}
	return ""
}
