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

// Drained holds a committed log against I-DRAIN as it is when nothing is under way any more: every transfer
// between partitions was sent once, and either received and settled once, or returned once, so that clearing
// is empty.
func Drained(records []Record) []string {
	c, transfers := &check{}, make(map[string]*transferred)
	for i := range records {
		transfer(transfers, records[i].Fact)
	}
	var clearing int64
	for _, id := range slices.Sorted(maps.Keys(transfers)) {
		t := transfers[id]
		arrived := t.received == 1 && t.settled == 1 && t.returned == 0
		came := t.received == 0 && t.settled == 0 && t.returned == 1
		if t.sent != 1 || !arrived && !came || t.amount != t.credited {
			c.found("I-DRAIN", "transfer %s: %+v", id, *t)
		}
		clearing += t.amount - t.credited
	}
	if clearing != 0 {
		c.found("I-DRAIN", "%d are in clearing", clearing)
	}
	return c.problems
}

func transfer(all map[string]*transferred, fact any) {
	of := func(id string) *transferred {
		if all[id] == nil {
			all[id] = &transferred{}
		}
		return all[id]
	}
	switch e := fact.(type) {
	case *event.TransferSettled:
		of(e.TransferID).settled++
	case *event.EntryPosted:
		switch {
		case e.Kind == event.EntryTransferReturn:
			of(e.TransferID).returned++
			of(e.TransferID).credited += e.Legs[0].AmountMinor
		case e.TransferID != "":
			of(e.TransferID).received++
			of(e.TransferID).credited += e.Legs[0].AmountMinor
		case e.Counterparty != "":
			of(e.EventID).sent++
			of(e.EventID).amount -= e.Legs[0].AmountMinor
		}
	}
}
