package model

import (
	"fmt"
	"math/big"
	"time"

	"github.com/refold/refold/schemas/event"
	"github.com/refold/refold/schemas/money"
)

// The times that the rules name.
const (
	hour    = event.Micros(time.Hour / time.Microsecond)
	week    = 7 * 24 * hour
	quarter = 90 * 24 * hour
)

// mostHolds is how many holds of an account may be open at once.
const mostHolds = 100

// decide says what a command comes to at a time: the event that it becomes, without its envelope, or the
// reason why it is refused.
func (b *bank) decide(c *Command, now event.Micros) (fact, string) {
	if c.OccurredAt != nil && c.Name != ReceiveTransfer && c.Name != EndTransfer { // the payer's partition has bounded it
		year1900 := event.MicrosOf(time.Date(1900, 1, 1, 0, 0, 0, 0, time.UTC))
		if *c.OccurredAt < year1900 || *c.OccurredAt > now+24*hour {
			return nil, "OCCURRED_AT_OUT_OF_BOUNDS"
		}
	}
	switch c.Name {
	case OpenAccount:
		return b.openAccount(c)
	case PostEntry:
		return b.postEntry(c, now)
	case PostEntries:
		return b.postEntries(c, now)
	case Transfer:
		return b.transfer(c, now)
	case ReverseEntry:
		return b.reverse(c)
	case ReceiveTransfer:
		return b.receive(c, now)
	case EndTransfer:
		return b.endTransfer(c)
	}
	a := b.accounts[c.Account]
	switch {
	case a == nil:
		return nil, "ACCOUNT_NOT_FOUND"
	case a.closed:
		return nil, "ACCOUNT_CLOSED"
	}
	return b.decideOf(a, c, now)
}

// decideOf is decide for what is about one account, which is there.
func (b *bank) decideOf(a *account, c *Command, now event.Micros) (fact, string) {
	switch c.Name {
	case FreezeAccount:
		return accept(&event.AccountFrozen{AccountID: c.Account, Reason: c.Reason}, reason(a.frozen, "ACCOUNT_FROZEN"))
	case UnfreezeAccount:
		return accept(&event.AccountUnfrozen{AccountID: c.Account, Reason: c.Reason}, reason(!a.frozen, "ACCOUNT_NOT_FROZEN"))
	case CloseAccount:
		return accept(&event.AccountClosed{AccountID: c.Account, Reason: c.Reason},
			reason(a.balance != 0, "BALANCE_NOT_ZERO"), reason(a.transit > 0, "TRANSFERS_PENDING"), reason(len(a.open) > 0, "HOLDS_OPEN"))
	case PlaceHold:
		return b.placeHold(c, a, now)
	case CaptureHold:
		return b.captureHold(c, now)
	case RedeemRewards:
		return &event.RewardRedemptionRequested{AccountID: c.Account, Points: c.Amount}, ""
	case ReleaseHold:
		h, why := b.openHold(c)
		return accept(&event.HoldReleased{AccountID: c.Account, HoldID: c.Hold, AmountMinor: h.Amount, ExpiresAt: h.ExpiresAt}, why)
	}
	b.fail(fmt.Errorf("the model knows no command %q", c.Name))
	return nil, ""
}

// accept returns an event unless there is a reason against it: the first one counts.
func accept(f fact, reasons ...string) (fact, string) {
	for _, r := range reasons {
		if r != "" {
			return nil, r
		}
	}
	return f, ""
}

func reason(holds bool, name string) string {
	if holds {
		return name
	}
	return ""
}

func (b *bank) openAccount(c *Command) (fact, string) {
	_, used := money.Exponent(c.Currency)
	return accept(&event.AccountOpened{
		AccountID: c.Account, Kind: c.Kind, Currency: c.Currency, OverdraftLimitMinor: c.Overdraft, DailyLimitMinor: c.Daily, TimeZone: c.Zone,
	}, reason(b.accounts[c.Account] != nil, "ACCOUNT_EXISTS"), reason(!used, "CURRENCY_UNKNOWN"))
}

// booking is an amount that is to be booked to an account.
type booking struct {
	account  string
	amount   int64
	currency string
	now      event.Micros
	freed    int64 // of a hold that ends with it
	arrives  int64 // of what is on its way
	free     bool  // of the daily limit
}

// book returns the leg of a booking, or the reason against it.
func (b *bank) book(k booking) (event.Leg, string) {
	a := b.accounts[k.account]
	if event.Internal(k.account) {
		if a == nil {
			a = new(account)
		}
		return leg(a, k)
	}
	switch {
	case a == nil:
		return event.Leg{}, "ACCOUNT_NOT_FOUND"
	case a.closed:
		return event.Leg{}, "ACCOUNT_CLOSED"
	case k.currency != a.currency:
		return event.Leg{}, "CURRENCY_MISMATCH"
	case k.amount < 0 && a.frozen:
		return event.Leg{}, "ACCOUNT_FROZEN"
	}
	l, why := leg(a, k)
	if why != "" || k.amount > 0 {
		return l, why
	}
	left := a.available()
	left.Add(left, big.NewInt(k.freed)).Add(left, big.NewInt(k.amount))
	if left.Sign() < 0 {
		return l, "INSUFFICIENT_FUNDS"
	}
	if !k.free {
		l.LimitDay, why = b.limitDay(a, -k.amount, k.now)
	}
	return l, why
}

// leg is a booking as it stands in an entry. The balance must fit into 64 bits, and a credit must leave room
// for all that may come back.
func leg(a *account, k booking) (event.Leg, string) {
	after := new(big.Int).Add(big.NewInt(a.balance), big.NewInt(k.amount))
	most := new(big.Int).Add(after, big.NewInt(a.transit-k.arrives))
	if !after.IsInt64() || k.amount > 0 && !most.IsInt64() {
		return event.Leg{}, "AMOUNT_OVERFLOW"
	}
	return event.Leg{
		AccountID: k.account, AmountMinor: k.amount, Currency: k.currency, BalanceAfterMinor: after.Int64(), AccountSeq: a.seq + 1,
	}, ""
}

// limitDay is the day to whose limit an amount counts, 0 where there is no limit, or the reason against it.
func (b *bank) limitDay(a *account, amount int64, now event.Micros) (int64, string) {
	if a.daily == 0 {
		return 0, ""
	}
	day, err := today(now, a.zone)
	b.fail(err)
	return day, reason(amount > a.daily-a.spentOn(day), "DAILY_LIMIT_EXCEEDED")
}

// entry books all, or nothing: the first reason counts.
func (b *bank) entry(e *event.EntryPosted, all ...booking) (fact, string) {
	for _, k := range all {
		l, why := b.book(k)
		if why != "" {
			return nil, why
		}
		e.Legs = append(e.Legs, l)
	}
	return e, ""
}

// side is the bank's own account at the other end of an entry.
func (b *bank) side(kind, currency string) string {
	if kind == event.EntryFee || kind == event.EntryInterest {
		return b.internal("@fees", currency)
	}
	return b.internal("@world", currency)
}

func (b *bank) internal(side, currency string) string {
	return fmt.Sprintf("%s.%d.%s", side, b.partition, currency)
}

func (b *bank) postEntry(c *Command, now event.Micros) (fact, string) {
	amount := c.Amount
	switch c.Kind {
	case event.EntryWithdrawal, event.EntryCardPurchase, event.EntryFee:
		amount = -amount
	}
	e := &event.EntryPosted{Kind: c.Kind, Merchant: c.Merchant, MCC: c.MCC, Category: c.Category, RefundOf: c.RefundOf}
	first := booking{account: c.Account, amount: amount, currency: c.Currency, now: now}
	if _, why := b.book(first); why != "" {
		return nil, why
	}
	if c.Kind == event.EntryRefund && c.RefundOf != "" {
		if why := b.refund(c); why != "" {
			return nil, why
		}
	}
	return b.entry(e, first, booking{account: b.side(c.Kind, c.Currency), amount: -amount, currency: c.Currency})
}

// refund is the reason against giving back a part of a purchase.
func (b *bank) refund(c *Command) string {
	e := b.entryOf(c.Account, c.RefundOf)
	switch {
	case e == nil:
		return "ENTRY_NOT_FOUND"
	case e.Kind != event.EntryCardPurchase || e.Legs[0].Account != c.Account:
		return "ENTRY_NOT_REFUNDABLE"
	case e.ReversedBy != "":
		return "ENTRY_ALREADY_REVERSED"
	}
	return reason(c.Amount > -e.Legs[0].Amount-e.Refunded, "REFUND_EXCEEDS_PURCHASE")
}

func (b *bank) postEntries(c *Command, now event.Micros) (fact, string) {
	var all []booking
	for _, l := range c.Legs {
		k := booking{account: l.Account, amount: l.Amount, currency: l.Currency, now: now}
		if event.Internal(l.Account) {
			k.account = b.internal(l.Account, l.Currency)
		}
		all = append(all, k)
	}
	return b.entry(&event.EntryPosted{Kind: c.Kind, Merchant: c.Merchant, MCC: c.MCC, Category: c.Category}, all...)
}

func (b *bank) reverse(c *Command) (fact, string) {
	e := b.entryOf(c.Account, c.Entry)
	switch {
	case e == nil:
		return nil, "ENTRY_NOT_FOUND"
	case e.Kind == event.EntryReversal || e.Counterparty != "":
		return nil, "ENTRY_NOT_REVERSIBLE"
	case e.ReversedBy != "":
		return nil, "ENTRY_ALREADY_REVERSED"
	case e.Refunded != 0:
		return nil, "ENTRY_REFUNDED"
	}
	back := &event.EntryPosted{
		Kind: event.EntryReversal, Merchant: e.Merchant, MCC: e.MCC, Category: e.Category, Reverses: c.Entry, ReversesKind: e.Kind,
	}
	if e.Kind == event.EntryRefund {
		back.RefundOf = e.RefundOf
	}
	var all []booking
	for _, l := range e.Legs {
		all = append(all, booking{account: l.Account, amount: -l.Amount, currency: l.Currency, free: true})
	}
	return b.entry(back, all...)
}

func (b *bank) placeHold(c *Command, a *account, now event.Micros) (fact, string) {
	h := &event.HoldPlaced{
		AccountID: c.Account, AmountMinor: c.Amount, Currency: c.Currency, ExpiresAt: now + week,
		Merchant: c.Merchant, MCC: c.MCC, Category: c.Category,
	}
	if c.ExpiresAt != nil {
		h.ExpiresAt = *c.ExpiresAt
	}
	left := a.available()
	day, overLimit := b.limitDay(a, c.Amount, now)
	h.LimitDay = day
	return accept(h,
		reason(h.ExpiresAt <= now || h.ExpiresAt > now+quarter, "EXPIRES_AT_OUT_OF_BOUNDS"),
		reason(c.Currency != a.currency, "CURRENCY_MISMATCH"),
		reason(a.frozen, "ACCOUNT_FROZEN"),
		reason(len(a.open) >= mostHolds, "TOO_MANY_HOLDS"),
		reason(left.Cmp(big.NewInt(c.Amount)) < 0, "INSUFFICIENT_FUNDS"),
		overLimit)
}

// openHold is the hold that a command is to end, or the reason why it cannot.
func (b *bank) openHold(c *Command) (hold, string) {
	h := b.hold(c.Account, c.Hold)
	if h == nil {
		return hold{}, "HOLD_NOT_FOUND"
	}
	return *h, h.Ended
}

func (b *bank) captureHold(c *Command, now event.Micros) (fact, string) {
	h, why := b.openHold(c)
	amount := c.Amount
	if amount == 0 {
		amount = h.Amount
	}
	switch {
	case why != "":
		return nil, why
	case amount > h.Amount:
		return nil, "AMOUNT_EXCEEDS_HOLD"
	}
	return b.entry(&event.EntryPosted{
		Kind: c.Kind, Merchant: h.Merchant, MCC: h.MCC, Category: h.Category,
		HoldID: c.Hold, HoldAmountMinor: h.Amount, HoldExpiresAt: h.ExpiresAt,
	}, booking{account: c.Account, amount: -amount, currency: h.Currency, now: now, freed: h.Amount, free: true},
		booking{account: b.side(c.Kind, h.Currency), amount: amount, currency: h.Currency})
}
