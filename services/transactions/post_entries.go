package transactions

import (
	"slices"

	"github.com/refold/refold/schemas/api/bankv1"
	"github.com/refold/refold/schemas/event"
)

// postEntries wants one entry of many legs to be posted, all or none.
type postEntries struct {
	wishedLegs
	account  string // whose customer the record is of
	kind     string
	merchant string
	mcc      string
	category string
}

func newPostEntries(r *bankv1.PostEntriesRequest, principal string) (*Command, *Refusal) {
	kind, ok := kindName(r.GetKind(), bankv1.EntryKind_name, entryKindPrefix)
	if !ok || kind == event.EntryReversal || kind == event.EntryTransferReturn {
		return nil, malformed("kind: must be set, and be neither a reversal nor a return")
	}
	if kind == event.EntryRefund && !r.GetHistorical() {
		return nil, malformed("kind: must be another: PostEntry refunds a purchase, which it names")
	}
	w := &postEntries{
		account:  r.GetAccountId(),
		kind:     kind,
		merchant: r.GetMerchant(),
		mcc:      r.GetMcc(),
		category: r.GetCategory(),
	}
	for _, l := range r.GetLegs() {
		w.wishedLegs = append(w.wishedLegs, wishedLeg{l.GetAccountId(), l.GetAmountMinor(), l.GetCurrency()})
	}
	if wrong := w.malformed(); wrong != "" {
		return nil, malformed("%s", wrong)
	}
	if !slices.Contains(w.parties(), w.account) {
		return nil, malformed("account_id: must be the account of a leg")
	}
	return newCommand(r, w, principal)
}

func (w *postEntries) name() string { return "PostEntries" }

func (w *postEntries) accountID() string { return w.account }

func (w *postEntries) content(c content) content {
	return w.wishedLegs.content(c.text(w.account).text(w.kind)).text(w.merchant).text(w.mcc).text(w.category)
}

func (w *postEntries) decide(v *view) (fact, *rejection) {
	legs, r := w.book(v)
	if r != nil {
		return nil, r
	}
	return &event.EntryPosted{Kind: w.kind, Legs: legs, Merchant: w.merchant, MCC: w.mcc, Category: w.category}, nil
}

func (w *postEntries) differs(f fact) string {
	e, ok := f.(*event.EntryPosted)
	switch {
	case !ok || e.HoldID != "" || e.Reverses != "":
		return "the command"
	case e.Kind != w.kind:
		return "kind"
	case !w.are(e.Legs):
		return "legs"
	case e.Merchant != w.merchant:
		return "merchant"
	case e.MCC != w.mcc:
		return "mcc"
	case e.Category != w.category:
		return "category"
	}
	return ""
}
