package transactions

import (
	"github.com/refold/refold/projections/ledger"
	"github.com/refold/refold/schemas/event"
)

// endTransfer wants what became of a transfer in the partition of its receiver to be recorded in that of its
// payer, which gets back what was not received.
type endTransfer struct {
	id      string
	account string // of the payer
	reason  string // for which it was not received; "" where it was
}

// endKey begins the idempotency key under which a transfer ends, in the scope of the payer's customer.
const endKey = "end of transfer "

// newEndTransfer makes the command of the entry that sent a transfer and of what its receiver's partition
// recorded, both as they stand in the journal.
func newEndTransfer(e *event.EntryPosted, received fact, inboxNext int64) *Command {
	w := &endTransfer{id: e.EventID, account: e.Legs[0].AccountID}
	if r, ok := received.(*event.CommandRejected); ok {
		w.reason = r.Reason
	}
	return newRelayed(relayed{
		source: e, id: e.EventID, customer: e.CustomerID, key: endKey + e.EventID, inboxNext: inboxNext, wish: w,
	})
}

func (w *endTransfer) name() string { return "EndTransfer" }

func (w *endTransfer) accountID() string { return w.account }

func (w *endTransfer) content(c content) content { return c.text(w.id).text(w.account).text(w.reason) }

// decide rejects nothing: what is on its way has room to come back, because every credit leaves it (nextLeg)
// and an account is not closed before. If it had none all the same it stays on its way, and the alarm rings.
func (w *endTransfer) decide(v *view) (fact, *rejection) {
	customer, _ := customerOf(w.account)
	e, _ := v.entry(customer, w.id)
	a := v.account(w.account)
	if e == nil || a == nil || !sent(e) {
		return nil, nil
	}
	if w.reason == "" {
		return &event.TransferSettled{
			AccountID: w.account, TransferID: w.id, Counterparty: e.Counterparty,
			AmountMinor: e.Legs[1].AmountMinor, Currency: e.Legs[1].Currency, SentAt: e.RecordedAt,
		}, nil
	}
	return w.giveBack(v, a, e)
}

func (w *endTransfer) giveBack(v *view, a *ledger.Account, e *event.EntryPosted) (fact, *rejection) {
	amount, currency := e.Legs[1].AmountMinor, e.Legs[1].Currency
	without := *a // the amount itself leaves what is on its way
	without.InTransitMinor -= amount
	leg, r := nextLeg(&without, w.account, amount, currency)
	if r != nil {
		return nil, nil
	}
	if day := e.Legs[0].LimitDay; day != 0 && day == a.LimitDay {
		leg.LimitDay = day // it was not spent, and the day is still the one that is counted
	}
	other, r := v.bookInternal(v.internal(clearing, currency), -amount, currency)
	if r != nil {
		return nil, nil
	}
	return &event.EntryPosted{
		Kind: event.EntryTransferReturn, Legs: []event.Leg{leg, other}, Category: e.Category,
		Counterparty: e.Counterparty, TransferID: w.id, SentAt: e.RecordedAt, ReturnReason: w.reason,
	}, nil
}

func (w *endTransfer) differs(fact) string { return "the transfer" }
