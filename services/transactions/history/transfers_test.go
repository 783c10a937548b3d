package history

import (
	"testing"

	"github.com/refold/refold/schemas/event"
)

// moved returns a checker that has seen money come to an account, of which some went to another one.
func moved(to string) *Checker {
	c, s := NewChecker(), told()
	s.write("moved", &event.EntryPosted{Legs: []event.Leg{
		{AccountID: "c1.main", AmountMinor: -5, Currency: "EUR", BalanceAfterMinor: 50, AccountSeq: 4},
		{AccountID: to, AmountMinor: 5, Currency: "EUR", BalanceAfterMinor: 5, AccountSeq: 1},
	}})
	for i := range s.records {
		c.Record(&s.records[i])
	}
	return c
}

func TestClosed(t *testing.T) {
	for to, right := range map[string]bool{"c1.other": true, "@clearing.1.EUR": true, "c2.main": false, "@fees.0.EUR": false} {
		got := moved(to).Closed([]string{"c1.main", "c1.other"})
		if len(got) == 0 != right {
			t.Errorf("got %q with money moved to %s, want right: %v", got, to, right)
		}
	}
}

func TestDrainedFindsWhatIsLeftInClearing(t *testing.T) {
	if got := moved("@clearing.1.EUR").Drained(); !holds(got, Totals, "I-DRAIN") {
		t.Errorf("got %q, want that the clearing accounts have 5", got)
	}
	if got := moved("c1.other").Drained(); len(got) > 0 {
		t.Errorf("got %q, want nothing", got)
	}
}

func TestDrained(t *testing.T) {
	sent := &event.EntryPosted{Kind: event.EntryTransfer, Counterparty: "c2.main", Legs: []event.Leg{{AmountMinor: -5}}}
	sent.EventID = "t"
	received := &event.EntryPosted{Kind: event.EntryTransfer, Counterparty: "c1.main", TransferID: "t", Legs: []event.Leg{{AmountMinor: 5}}}
	settled := &event.TransferSettled{TransferID: "t"}
	returned := &event.EntryPosted{Kind: event.EntryTransferReturn, TransferID: "t", Legs: []event.Leg{{AmountMinor: 5}}}
	short := &event.EntryPosted{Kind: event.EntryTransfer, TransferID: "t", Legs: []event.Leg{{AmountMinor: 4}}}
	for name, c := range map[string]struct {
		facts []Fact
		right bool
	}{
		"settled":                 {[]Fact{sent, received, settled}, true},
		"returned":                {[]Fact{sent, returned}, true},
		"on its way":              {[]Fact{sent}, false},
		"not settled":             {[]Fact{sent, received}, false},
		"received twice":          {[]Fact{sent, received, received, settled}, false},
		"received and returned":   {[]Fact{sent, received, returned}, false},
		"received and never sent": {[]Fact{received, settled}, false},
		"less received":           {[]Fact{sent, short, settled}, false},
	} {
		t.Run(name, func(t *testing.T) {
			var log []Record
			for _, f := range c.facts {
				log = append(log, Record{Fact: f})
			}
			if got := Drained(log); (len(got) == 0) != c.right {
				t.Errorf("got %q, want right: %v", got, c.right)
			}
		})
	}
}
