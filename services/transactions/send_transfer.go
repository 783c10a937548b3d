package transactions

import "github.com/refold/refold/schemas/event"

// A transfer between partitions is three records, each in the partition of one account, and each decided
// there alone:
//
//	partition of the payer       EntryPosted: payer −, @clearing +                         pending
//	partition of the receiver    EntryPosted: receiver +, @clearing −; or CommandRejected
//	partition of the payer       TransferSettled; or EntryPosted: payer +, @clearing −     settled, or returned
//
// What is on its way is in the clearing accounts: their sum over all partitions is what was sent and neither
// received nor returned. No lock is held and no transaction spans partitions. The records are the truth;
// relay.go carries the news of them.

// sendTransfer wants money to move to an account of another partition.
type sendTransfer struct{ *transfer }

// accountIDs implements broad: the receiver is not decided about here.
func (w *sendTransfer) accountIDs(*view) []string { return []string{w.accountID()} }

func (w *sendTransfer) decide(v *view) (fact, *rejection) {
	from := w.from()
	leg, r := v.book(from.account, from.amount, from.currency)
	if r != nil {
		return nil, r
	}
	other, r := v.bookInternal(v.internal(clearing, from.currency), -from.amount, from.currency)
	if r != nil {
		return nil, r
	}
	return &event.EntryPosted{
		Kind: event.EntryTransfer, Legs: []event.Leg{leg, other}, Category: w.category, Counterparty: w.to().account,
	}, nil
}

func (w *sendTransfer) differs(f fact) string {
	e, ok := f.(*event.EntryPosted)
	if !ok || !sent(e) {
		return "the command"
	}
	return w.other(e, e.Counterparty)
}

// sent reports whether an entry sends a transfer to another partition.
func sent(e *event.EntryPosted) bool {
	return e.Kind == event.EntryTransfer && e.Counterparty != "" && e.TransferID == "" && len(e.Legs) == 2
}
