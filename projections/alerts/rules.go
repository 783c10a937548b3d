package alerts

import (
	"slices"
	"time"

	"github.com/refold/refold/schemas/event"
	"github.com/refold/refold/schemas/money"
)

// The rules, each with the bank's own limit. A customer may switch a rule off, or set another limit where it has one.
//
//	large purchase    a card purchase of 500.00 or more
//	low balance       the balance of a current or savings account falls below 100.00, once a day at most
//	payment returned  a transfer comes back that its receiver did not take
//	foreign currency  a card purchase or withdrawal from an account whose currency is not that of the customer's first
//	unusual spending  what was spent in a month on a category passes 200 % of the usual, and 100.00; see habit.go
//
// Limits are in the account's own currency; the bank's are so many hundreds of its smallest units where that has no
// decimals, as many as it has with two. Days and months are UTC: a fold knows no time zones, which change and differ from
// machine to machine.
const (
	largePurchase = 50_000
	lowBalance    = 10_000
	unusualLeast  = 10_000
	unusualShare  = 200 // percent
)

// wants returns the limit of a rule, the bank's own where the customer has set none, and whether the customer wants to be
// told.
func (r *Row) wants(kind string, own int64) (limit int64, wanted bool) {
	for i := range r.Rules {
		switch rule := &r.Rules[i]; {
		case rule.Kind != kind:
		case rule.Off:
			return 0, false
		case rule.Limit > 0:
			return rule.Limit, true
		}
	}
	return own, true
}

// judge applies the rules to one leg of an entry on an account of the customer.
func (r *Row) judge(e *posted, l *leg, t teller) error {
	scale := scaleOf(l.Currency)
	bought := e.Kind == event.EntryCardPurchase && l.AmountMinor < 0
	if limit, wanted := r.wants(event.AlertLargePurchase, largePurchase*scale); wanted && bought && l.AmountMinor <= -limit {
		t.tell(event.NotifyLargePurchase, limit, "")
	}
	if _, wanted := r.wants(event.AlertPaymentReturned, 0); wanted && e.Kind == event.EntryTransferReturn && l.AmountMinor > 0 {
		t.tell(event.NotifyPaymentReturned, 0, "")
	}
	paid := bought || e.Kind == event.EntryWithdrawal && l.AmountMinor < 0
	if _, wanted := r.wants(event.AlertForeignCurrency, 0); wanted && paid && r.Currency != "" && l.Currency != r.Currency {
		t.tell(event.NotifyForeignCurrency, 0, "")
	}
	if limit, wanted := r.wants(event.AlertLowBalance, lowBalance*scale); wanted && r.falls(l, limit, dayOf(e.OccurredAt)) {
		t.tell(event.NotifyLowBalance, limit, "")
	}
	return r.spend(e, l, t)
}

// falls tells whether a leg has the balance of an account that holds money fall below a limit, on a day on which it did
// not before.
func (r *Row) falls(l *leg, limit, day int64) bool {
	if l.BalanceAfterMinor >= limit || l.BalanceAfterMinor-l.AmountMinor < limit {
		return false
	}
	i := slices.IndexFunc(r.Accounts, func(a Account) bool { return a.ID == l.AccountID })
	if i < 0 || day <= r.Accounts[i].LowDay {
		return false
	}
	r.Accounts[i].LowDay = day
	return true
}

// scaleOf returns by what the bank's limits are multiplied, because a currency has more than two decimals.
func scaleOf(currency string) int64 {
	scale := int64(1)
	exponent, _ := money.Exponent(currency)
	for range exponent - 2 {
		scale *= 10
	}
	return scale
}

func dayOf(at event.Micros) int64 { return int64(at) / (24 * time.Hour).Microseconds() }
