package transactions

import "github.com/refold/refold/schemas/event"

// receiveTransfer wants a transfer of another partition to be credited. Whether it is or not is recorded once:
// a message that comes again finds its key spent.
type receiveTransfer struct {
	id       string
	from, to string
	amount   int64 // minor units; positive
	currency string
	category string
}

// transferKey begins the idempotency key under which a transfer is received, in the scope of the receiver's
// customer. A key of a caller holds no space.
const transferKey = "transfer "

// newReceiveTransfer makes the command of the entry that sent a transfer, as it stands in the journal of its
// partition, and of the position after the message.
func newReceiveTransfer(e *event.EntryPosted, inboxNext int64) *Command {
	customer, _ := customerOf(e.Counterparty)
	return newRelayed(relayed{
		source: e, id: e.EventID, customer: customer, key: transferKey + e.EventID, inboxNext: inboxNext,
		wish: &receiveTransfer{
			id: e.EventID, from: e.Legs[0].AccountID, to: e.Counterparty,
			amount: e.Legs[1].AmountMinor, currency: e.Legs[1].Currency, category: e.Category,
		},
	})
}

func (w *receiveTransfer) name() string { return "ReceiveTransfer" }

func (w *receiveTransfer) accountID() string { return w.to }

func (w *receiveTransfer) content(c content) content {
	return c.text(w.id).text(w.from).text(w.to).number(w.amount).text(w.currency).text(w.category)
}

func (w *receiveTransfer) decide(v *view) (fact, *rejection) {
	a, r := v.usable(w.to)
	switch {
	case r != nil:
		return nil, r
	case a.Frozen:
		return nil, frozen(w.to)
	}
	leg, r := bookTo(a, w.to, w.amount, w.currency)
	if r != nil {
		return nil, r
	}
	other, r := v.bookInternal(v.internal(clearing, w.currency), -w.amount, w.currency)
	if r != nil {
		return nil, r
	}
	return &event.EntryPosted{
		Kind: event.EntryTransfer, Legs: []event.Leg{leg, other}, Category: w.category,
		Counterparty: w.from, TransferID: w.id,
	}, nil
}

func (w *receiveTransfer) differs(fact) string { return "the transfer" }
