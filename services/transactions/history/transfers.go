package history

import (
	"maps"
	"slices"

	"github.com/refold/refold/schemas/event"
)

// transferred is what the log holds of one transfer between partitions: how many records of each kind.
type transferred struct {
	sent, received, returned, settled int
	amount, credited                  int64
}

// transit is what the log holds of all transfers between partitions, by their ids.
type transit map[string]*transferred

// Drained holds a committed log against I-DRAIN as it is when nothing is under way any more: every transfer
// between partitions was sent once, and either received and settled once, or returned once, so that clearing
// is empty.
func Drained(records []Record) []Finding {
	t := make(transit)
	for i := range records {
		t.record(records[i].Fact)
	}
	return t.drained()
}

func (t transit) drained() []Finding {
	r := &report{}
	var clearing int64
	for _, id := range slices.Sorted(maps.Keys(t)) {
		t := t[id]
		arrived := t.received == 1 && t.settled == 1 && t.returned == 0
		came := t.received == 0 && t.settled == 0 && t.returned == 1
		if t.sent != 1 || !arrived && !came || t.amount != t.credited {
			r.found(Totals, "I-DRAIN: transfer %s: %+v", id, *t)
		}
		clearing += t.amount - t.credited
	}
	if clearing != 0 {
		r.found(Totals, "I-DRAIN: %d are in clearing", clearing)
	}
	return r.findings
}

func (t transit) of(id string) *transferred {
	if t[id] == nil {
		t[id] = &transferred{}
	}
	return t[id]
}

func (t transit) record(f Fact) {
	switch e := f.(type) {
	case *event.TransferSettled:
		t.of(e.TransferID).settled++
	case *event.EntryPosted:
		t.entry(e)
	}
}

func (t transit) entry(e *event.EntryPosted) {
	switch {
	case e.Kind == event.EntryTransferReturn:
		t.of(e.TransferID).returned++
		t.of(e.TransferID).credited += e.Legs[0].AmountMinor
	case e.TransferID != "":
		t.of(e.TransferID).received++
		t.of(e.TransferID).credited += e.Legs[0].AmountMinor
	case e.Counterparty != "":
		t.of(e.EventID).sent++
		t.of(e.EventID).amount -= e.Legs[0].AmountMinor
	}
}
