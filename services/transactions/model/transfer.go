package model

import (
	"strings"

	"github.com/refold/refold/schemas/event"
	"github.com/refold/refold/streams/topic"
)

// transfer moves money between two accounts. To an account of another partition it only sends it.
func (b *bank) transfer(c *Command, now event.Micros) (fact, string) {
	from, to := c.Legs[0], c.Legs[1]
	first := booking{account: from.Account, amount: from.Amount, currency: from.Currency, now: now}
	e := &event.EntryPosted{Kind: event.EntryTransfer, Category: c.Category}
	if home, _ := event.Home(to.Account); topic.Of(home, b.partitions) != b.partition {
		e.Counterparty = to.Account
		return b.entry(e, first, b.clears(-from.Amount, from.Currency))
	}
	if a := b.accounts[to.Account]; a != nil && a.frozen {
		return nil, "ACCOUNT_FROZEN"
	}
	return b.entry(e, first, booking{account: to.Account, amount: to.Amount, currency: to.Currency, now: now})
}

// clears books to what is on its way to other partitions.
func (b *bank) clears(amount int64, currency string) booking {
	return booking{account: b.internal("@clearing", currency), amount: amount, currency: currency}
}

// receive credits a transfer of another partition.
func (b *bank) receive(c *Command, now event.Micros) (fact, string) {
	a := b.accounts[c.Account]
	if a != nil && a.frozen && !a.closed {
		return nil, "ACCOUNT_FROZEN"
	}
	return b.entry(
		&event.EntryPosted{Kind: event.EntryTransfer, Category: c.Category, Counterparty: c.Counterparty, TransferID: c.TransferID},
		booking{account: c.Account, amount: c.Amount, currency: c.Currency, now: now}, b.clears(-c.Amount, c.Currency))
}

// endTransfer settles a transfer or gives it back, nothing where it was not sent.
func (b *bank) endTransfer(c *Command) (fact, string) {
	home, _ := event.Home(c.Account)
	e, a := b.entryNamed(home, c.TransferID), b.accounts[c.Account]
	if e == nil || a == nil || e.Counterparty == "" || e.Received || e.Legs[0].Account != c.Account {
		return nil, ""
	}
	amount, currency := -e.Legs[0].Amount, e.Legs[0].Currency
	if c.Reason == "" {
		return &event.TransferSettled{
			AccountID: c.Account, TransferID: c.TransferID, Counterparty: e.Counterparty,
			AmountMinor: amount, Currency: currency, SentAt: e.RecordedAt,
		}, ""
	}
	back, why := leg(a, booking{account: c.Account, amount: amount, currency: currency, arrives: amount})
	other, overflow := b.book(b.clears(-amount, currency))
	if e.LimitDay != 0 && e.LimitDay == a.day {
		back.LimitDay = e.LimitDay // what came back was not spent
	}
	return accept(&event.EntryPosted{
		Kind: event.EntryTransferReturn, Legs: []event.Leg{back, other}, Category: e.Category,
		Counterparty: e.Counterparty, TransferID: c.TransferID, SentAt: e.RecordedAt, ReturnReason: c.Reason,
	}, why, overflow)
}

// transfers are those between partitions whose records are not all read. Partitions are read in turn, so that
// the parts of a transfer may come in any order, and those that are complete are forgotten.
type transfers struct{ byID map[string]*parts }

// parts are the records of one transfer.
type parts struct{ sent, received, ended *part }

// part is what one record says of a transfer.
type part struct {
	bank   *bank
	offset int64
	terms  terms
	reason string // why it was not received
}

type terms struct {
	from, to string
	amount   int64
	currency string
}

func newTransfers() *transfers { return &transfers{byID: make(map[string]*parts)} }

// add takes a record that is a part of a transfer.
func (t *transfers) add(b *bank, f fact) {
	id, p, place := partOf(f)
	if p == nil {
		return
	}
	p.bank, p.offset = b, b.offset
	all := t.byID[id]
	if all == nil {
		all = new(parts)
		t.byID[id] = all
	}
	slot := place(all)
	if *slot != nil {
		b.found("is about transfer %s what offset %d of partition %d is", id, (*slot).offset, (*slot).bank.partition)
		return
	}
	*slot = p
	if all.sent != nil && all.received != nil && all.ended != nil {
		all.check(id)
		delete(t.byID, id)
	}
}

// partOf returns what a record says of a transfer, and which part that is; nil where it is not about any.
func partOf(f fact) (id string, p *part, place func(*parts) **part) {
	sent := func(all *parts) **part { return &all.sent }
	received := func(all *parts) **part { return &all.received }
	ended := func(all *parts) **part { return &all.ended }
	switch e := f.(type) {
	case *event.TransferSettled:
		return e.TransferID, &part{terms: terms{e.AccountID, e.Counterparty, e.AmountMinor, e.Currency}}, ended
	case *event.CommandRejected:
		if c, err := Parse(e.Content); err == nil && c.Name == ReceiveTransfer {
			return c.TransferID, &part{terms: terms{c.Counterparty, c.Account, c.Amount, c.Currency}, reason: e.Reason}, received
		}
	case *event.EntryPosted:
		if e.Counterparty == "" || len(e.Legs) == 0 {
			return "", nil, nil
		}
		first := e.Legs[0]
		switch {
		case e.TransferID == "":
			return e.EventID, &part{terms: terms{first.AccountID, e.Counterparty, -first.AmountMinor, first.Currency}}, sent
		case e.Kind == event.EntryTransferReturn:
			return e.TransferID, &part{terms: terms{first.AccountID, e.Counterparty, first.AmountMinor, first.Currency}, reason: e.ReturnReason}, ended
		}
		return e.TransferID, &part{terms: terms{e.Counterparty, first.AccountID, first.AmountMinor, first.Currency}}, received
	}
	return "", nil, nil
}

func (p *part) found(format string, args ...any) {
	p.bank.report.problem(p.bank.partition, p.offset, format, args...)
}

// check holds the parts of a transfer that are there against each other.
func (a *parts) check(id string) {
	for _, p := range []*part{a.received, a.ended} {
		switch {
		case p == nil:
		case a.sent == nil:
			p.found("is about transfer %s, which was never sent", id)
		case p.terms != a.sent.terms:
			p.found("is about transfer %s of %v, which is of %v", id, p.terms, a.sent.terms)
		}
	}
	switch {
	case a.ended == nil:
	case a.received == nil:
		a.ended.found("ends transfer %s, which was never received nor refused", id)
	case a.ended.reason != a.received.reason:
		a.ended.found("ends transfer %s with %q, which the receiver's partition answered with %q", id, a.ended.reason, a.received.reason)
	}
}

// close checks what is on its way, which is what is in the clearing accounts: I-DRAIN.
func (t *transfers) close(r *run) {
	left := make(map[string]int64)
	for _, b := range r.banks {
		for id, a := range b.accounts {
			if strings.HasPrefix(id, "@clearing.") {
				left[a.currency] += a.balance
			}
		}
	}
	for id, all := range t.byID {
		all.check(id)
		credited := all.received != nil && all.received.reason == ""
		returned := all.ended != nil && all.ended.reason != ""
		if all.sent != nil && all.ended == nil {
			r.report.Pending++
		}
		if all.sent != nil && !credited && !returned {
			left[all.sent.terms.currency] -= all.sent.terms.amount
		}
	}
	for currency, n := range left {
		if n != 0 {
			r.report.problem(-1, -1, "the clearing accounts have %d %s more than is on its way", n, currency)
		}
	}
}
