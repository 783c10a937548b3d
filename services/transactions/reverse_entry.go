package transactions

import (
	"slices"

	"github.com/refold/refold/projections/ledger"
	"github.com/refold/refold/schemas/api/bankv1"
	"github.com/refold/refold/schemas/event"
)

// reverseEntry wants an entry to be taken back, leg by leg.
type reverseEntry struct{ account, entry string }

func newReverseEntry(r *bankv1.ReverseEntryRequest, principal string) (*Command, *Refusal) {
	return newCommand(r, &reverseEntry{account: r.GetAccountId(), entry: r.GetEntryId()}, principal)
}

func (w *reverseEntry) name() string { return "ReverseEntry" }

func (w *reverseEntry) accountID() string { return w.account }

// accountIDs implements broad: a reversal takes from those that the entry gave to.
func (w *reverseEntry) accountIDs(v *view) []string {
	out := []string{w.account}
	if e, _, r := v.entryOf(w.account, w.entry); r == nil {
		for i := range e.Legs {
			if id := e.Legs[i].AccountID; id != w.account && !ledger.Internal(id) {
				out = append(out, id)
			}
		}
	}
	return out
}

func (w *reverseEntry) content(c content) content { return c.text(w.account).text(w.entry) }

func (w *reverseEntry) decide(v *view) (fact, *rejection) {
	e, became, r := v.entryOf(w.account, w.entry)
	switch {
	case r != nil:
		return nil, r
	case e.Kind == event.EntryReversal:
		return nil, reject(ReasonNotReversible, "entry %s is a reversal", w.entry)
	case e.Counterparty != "":
		return nil, reject(ReasonNotReversible, "entry %s is a transfer with an account of another partition: transfer it back", w.entry)
	case became.ReversedBy != "":
		return nil, reversed(w.entry, became)
	case became.RefundedMinor != 0:
		return nil, reject(ReasonEntryRefunded, "%d of entry %s were refunded", became.RefundedMinor, w.entry)
	}
	back := &event.EntryPosted{
		Kind: event.EntryReversal, Merchant: e.Merchant, MCC: e.MCC, Category: e.Category,
		Reverses: w.entry, ReversesKind: e.Kind,
	}
	if e.Kind == event.EntryRefund {
		back.RefundOf = e.RefundOf
	}
	for _, l := range e.Legs {
		book := v.bookBack
		if ledger.Internal(l.AccountID) {
			book = v.bookInternal
		}
		leg, r := book(l.AccountID, -l.AmountMinor, l.Currency)
		if r != nil {
			return nil, r
		}
		back.Legs = append(back.Legs, leg)
	}
	return back, nil
}

func (w *reverseEntry) differs(f fact) string {
	e, ok := f.(*event.EntryPosted)
	switch {
	case !ok || e.Reverses == "":
		return "the command"
	case e.Reverses != w.entry:
		return "entry_id"
	case !slices.ContainsFunc(e.Legs, func(l event.Leg) bool { return l.AccountID == w.account }):
		return "account_id"
	}
	return ""
}

// entryOf returns an entry with a leg on an account, and what became of it; or why there is none.
func (v *view) entryOf(account, id string) (*event.EntryPosted, *ledger.Entry, *rejection) {
	customer, _ := customerOf(account)
	e, became := v.entry(customer, id)
	if e == nil || !slices.ContainsFunc(e.Legs, func(l event.Leg) bool { return l.AccountID == account }) {
		return nil, nil, reject(ReasonEntryNotFound, "account %s has no entry %s that was posted under its customer", account, id)
	}
	return e, became, nil
}

func reversed(id string, became *ledger.Entry) *rejection {
	return reject(ReasonEntryReversed, "entry %s was reversed by %s", id, became.ReversedBy)
}
