package ledger

import (
	"fmt"
	"strings"

	"github.com/refold/refold/projections/projection"
	"github.com/refold/refold/schemas/event"
)

// Entry is what became of an entry. What it was is the outcome in the same row.
type Entry struct {
	RefundedMinor int64  `avro:"refunded_minor"` // by refunds that were not reversed
	ReversedBy    string `avro:"reversed_by"`    // event_id of the reversal, "" where there is none
}

// refunded returns the purchase of which this entry changes what was refunded, "" where it changes none: a
// refund gives back a part of it, and the reversal of a refund takes that back.
func (e *posted) refunded() string {
	if e.Kind == event.EntryRefund || e.Kind == event.EntryReversal {
		return e.RefundOf
	}
	return ""
}

// entryKeys adds the entries that this one takes back.
func (e *posted) entryKeys(k *projection.Keys) {
	if e.Reverses != "" {
		k.Add(e.CustomerID, eventPrefix+e.Reverses)
	}
	if id := e.refunded(); id != "" {
		k.Add(e.CustomerID, eventPrefix+id)
	}
}

// takeBack folds an entry into the row of one that it takes back.
func (r *Row) takeBack(id string, e *posted) error {
	switch {
	case id == e.Reverses && r.Entry == nil:
		return fmt.Errorf("%w: it reverses entry %s, which was never posted", ErrBroken, id)
	case id == e.Reverses && r.Entry.ReversedBy != "":
		return fmt.Errorf("%w: it reverses entry %s, which %s has reversed", ErrBroken, id, r.Entry.ReversedBy)
	case id == e.Reverses:
		r.Entry.ReversedBy = strings.Clone(e.EventID)
		return nil
	case r.Entry == nil || len(e.Legs) == 0:
		return nil // what a refund named was not looked at before there were entries
	}
	r.Entry.RefundedMinor += e.Legs[0].AmountMinor
	return nil
}
