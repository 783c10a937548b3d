package history

import (
	"strings"

	"github.com/refold/refold/schemas/event"
)

// deposit remembers what came from outside.
func (b *books) deposit(e *event.EntryPosted) {
	if len(e.Legs) != 2 {
		return
	}
	for i, l := range e.Legs {
		if strings.HasPrefix(l.AccountID, "@world") {
			b.world[e.Legs[1-i].AccountID] -= l.AmountMinor
		}
	}
}

// Closed returns what is wrong with accounts between which alone money was moved since it came from outside:
// what they have together, and what is on its way between them, must be what came (I-GLOBAL).
func (b *books) Closed(accounts []string) []Finding {
	var came, is int64
	for _, id := range accounts {
		came += b.world[id]
		if a := b.accounts[id]; a != nil {
			is += a.balance
		}
	}
	is += b.clearing()
	if came == is {
		return nil
	}
	r := &report{}
	r.found(Totals, "I-GLOBAL: %d came to %d accounts that are closed, and they have %d", came, len(accounts), is)
	return r.findings
}

// clearing is what the clearing accounts have together: what is on its way between partitions.
func (b *books) clearing() (sum int64) {
	for id, a := range b.accounts {
		if strings.HasPrefix(id, "@clearing") {
			sum += a.balance
		}
	}
	return sum
}
