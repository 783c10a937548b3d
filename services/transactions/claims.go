package transactions

import (
	"github.com/refold/refold/schemas/event"
	"github.com/refold/refold/services/transactions/pile"
	"github.com/refold/refold/streams/timeline"
)

// Whether a key was answered twice, and what became of an entry or a transfer, is known only when all records
// are read. So every record leaves claims in a pile.

// The kinds of claims, in the order in which they count where one record makes several.
const (
	claimKey        = iota // the record answers the key
	claimEntry             // the record is the entry, of which the amount may be refunded; -1: it is no purchase
	claimReversal          // the record reverses the entry
	claimRefund            // the record refunds the amount of the entry
	claimRefundBack        // the record takes a refund of the amount back
	claimSent              // the record sends the transfer of the amount to another partition
	claimReceived          // the record credits it
	claimSettled           // the record says that it was credited
	claimReturned          // the record gives it back
)

// claim adds the claims of a record.
func (a *audit) claim(rec *timeline.Record, f fact) error {
	e := f.Envelop()
	c := pile.Claim{About: pile.About("key", e.CustomerID, e.IdempotencyKey), Partition: rec.Partition, Offset: rec.Offset}
	if err := a.claims.Add(c); err != nil {
		return err
	}
	add := func(kind byte, id string, amount int64) error {
		c.About, c.Kind, c.Amount = pile.About("entry", e.CustomerID, id), kind, amount
		return a.claims.Add(c)
	}
	posted, ok := f.(*event.EntryPosted)
	if !ok || len(posted.Legs) == 0 {
		return a.claimTransfer(c, f)
	}
	first, paid := posted.Legs[0].AmountMinor, int64(-1)
	if posted.Kind == event.EntryCardPurchase {
		paid = -first
	}
	err := add(claimEntry, e.EventID, paid)
	if err == nil && posted.Reverses != "" {
		err = add(claimReversal, posted.Reverses, 0)
	}
	switch {
	case err != nil || posted.RefundOf == "":
	case posted.Kind == event.EntryRefund:
		err = add(claimRefund, posted.RefundOf, first)
	case posted.Kind == event.EntryReversal:
		err = add(claimRefundBack, posted.RefundOf, -first)
	}
	if err != nil {
		return err
	}
	return a.claimTransfer(c, f)
}

// claimTransfer adds the claim of a record that is a part of a transfer between partitions.
func (a *audit) claimTransfer(c pile.Claim, f fact) error {
	var id, currency string
	switch e := f.(type) {
	case *event.TransferSettled:
		id, currency, c.Kind, c.Amount = e.TransferID, e.Currency, claimSettled, e.AmountMinor
	case *event.EntryPosted:
		if e.Counterparty == "" || len(e.Legs) == 0 {
			return nil
		}
		id, currency, c.Kind, c.Amount = e.TransferID, e.Legs[0].Currency, claimReceived, e.Legs[0].AmountMinor
		switch {
		case sent(e):
			id, c.Kind, c.Amount = e.EventID, claimSent, -c.Amount
		case e.Kind == event.EntryTransferReturn:
			c.Kind = claimReturned
		}
	default:
		return nil
	}
	c.About = pile.About("transfer", "", id)
	copy(c.Currency[:], currency)
	return a.claims.Add(c)
}

// settle holds all claims against each other and tells what cannot be.
func (a *audit) settle() error {
	return a.claims.Each(func(same []pile.Claim) {
		switch {
		case same[0].Kind == claimKey:
			for _, c := range same[1:] {
				a.problem(c.Partition, c.Offset, "answers a key that offset %d has answered", same[0].Offset)
			}
		case same[0].Kind >= claimSent:
			a.settleTransfer(same)
		default:
			a.settleEntry(same)
		}
	})
}

// settleEntry goes through all claims about one entry, in their order.
func (a *audit) settleEntry(all []pile.Claim) {
	entered, reversed, paid, refunded := false, int64(-1), int64(-1), int64(0)
	for _, c := range all {
		tell := func(format string, args ...any) { a.problem(c.Partition, c.Offset, format, args...) }
		switch c.Kind {
		case claimEntry:
			if entered {
				tell("has the id of another entry")
			}
			entered, paid = true, c.Amount
		case claimReversal:
			switch {
			case !entered:
				tell("reverses an entry that was never posted")
			case reversed >= 0:
				tell("reverses an entry that offset %d has reversed", reversed)
			case refunded != 0:
				tell("reverses an entry of which %d were refunded", refunded)
			}
			reversed = c.Offset
		case claimRefund:
			refunded += c.Amount
			switch {
			case !entered: // what a refund named was not looked at before there were reversals
			case paid < 0:
				tell("refunds an entry that is no purchase")
			case reversed >= 0:
				tell("refunds an entry that offset %d has reversed", reversed)
			case refunded > paid:
				tell("makes the refunds of a purchase of %d together %d", paid, refunded)
			}
		case claimRefundBack:
			refunded -= c.Amount
		}
	}
}

// settleTransfer holds all parts of one transfer against each other. They are of two partitions, so that their
// order says nothing. What is on its way stays in the clearing accounts.
func (a *audit) settleTransfer(all []pile.Claim) {
	var by [claimReturned + 1]*pile.Claim
	for i := range all {
		c := &all[i]
		if by[c.Kind] != nil {
			a.problem(c.Partition, c.Offset, "is about a transfer what offset %d of partition %d is", by[c.Kind].Offset, by[c.Kind].Partition)
			continue
		}
		by[c.Kind] = c
	}
	from := by[claimSent]
	for _, c := range by {
		switch {
		case c == nil:
		case from == nil:
			a.problem(c.Partition, c.Offset, "is about a transfer that was never sent")
		case c.Amount != from.Amount || c.Currency != from.Currency:
			a.problem(c.Partition, c.Offset, "is about a transfer of %d %s, and says %d %s", from.Amount, from.Currency, c.Amount, c.Currency)
		}
	}
	if c := by[claimReturned]; c != nil && (by[claimReceived] != nil || by[claimSettled] != nil) {
		a.problem(c.Partition, c.Offset, "gives back a transfer that was received")
	}
	if c := by[claimSettled]; c != nil && by[claimReceived] == nil {
		a.problem(c.Partition, c.Offset, "settles a transfer that was never received")
	}
	if from != nil && by[claimReceived] == nil && by[claimReturned] == nil {
		a.transit[string(from.Currency[:])] += from.Amount
	}
}
