package history

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/refold/refold/schemas/event"
)

// Record is a committed record of the journal. Its Fact is a pointer to one of the events of package event.
type Record struct {
	Partition int32
	Offset    int64
	Value     []byte
	Fact      interface{ Envelop() *event.Envelope }
}

func (r *Record) place() Place {
	return Place{EventID: r.Fact.Envelop().EventID, Partition: r.Partition, Offset: r.Offset}
}

// name is an idempotency key in its scope.
type name struct{ customer, key string }

func (n name) String() string { return fmt.Sprintf("key %q of customer %s", n.key, n.customer) }

// asked is everything about one key.
type asked struct {
	bodies   map[string]bool
	answered []Event // that name a record
	first    int     // the line at which it was asked first
	told     int     // the line at which it was answered first; none where it never was
	reused   bool    // it was refused as that of another command
}

const none = math.MaxInt

// The reasons of refusals that are not recorded: the key stands for another command, or is not spent.
const (
	keyReused = "IDEMPOTENCY_KEY_REUSED"
	malformed = "MALFORMED"
)

// check is what is known so far.
type check struct {
	problems []string
	keys     map[name]*asked
}

func (c *check) found(invariant, format string, args ...any) {
	c.problems = append(c.problems, invariant+": "+fmt.Sprintf(format, args...))
}

// Check holds a history and the whole committed log against the standing invariants and returns what is
// wrong, each problem beginning with the invariant that it breaks:
//
//	I-ONCE    a key has at most one record
//	I-ACK     what was answered is in the log, where the answer says; what is in the log was asked for
//	I-SAME    all answers to a key are equal; one of several contents of a key is answered, the others refused
//	I-ORDER   a command that was answered before another was asked stands before it in their partition
//	I-SEQ, I-CHAIN, I-WRITER, I-SUM, I-GLOBAL, I-FLOOR, I-HOLD of the log alone; see Books
func Check(events []Event, records []Record) []string {
	c := &check{keys: make(map[name]*asked)}
	for line := range events {
		c.event(&events[line], line)
	}
	records = slices.Clone(records)
	slices.SortFunc(records, func(a, b Record) int {
		return cmp.Or(cmp.Compare(a.Partition, b.Partition), cmp.Compare(a.Offset, b.Offset))
	})
	c.log(records)
	c.order(records)
	return append(c.problems, Books(records)...)
}

func (c *check) event(e *Event, line int) {
	if e.Kind == Fault {
		return
	}
	n := name{e.Customer, e.Key}
	k := c.keys[n]
	if k == nil {
		k = &asked{bodies: make(map[string]bool), first: line, told: none}
		c.keys[n] = k
	}
	if e.Kind == Invoke {
		k.bodies[string(e.Body)] = true
		return
	}
	k.reused = k.reused || e.Reason == keyReused
	if e.Kind == Unknown || e.Reason == keyReused || e.Reason == malformed {
		return
	}
	if e.Record == nil {
		c.found("I-ACK", "%s was answered with %s (%s), and with no record", n, e.Kind, e.Reason)
		return
	}
	k.told = min(k.told, line)
	k.answered = append(k.answered, *e)
	c.same(n, &k.answered[0], e)
}

// same compares an answer with the first one.
func (c *check) same(n name, first, e *Event) {
	switch {
	case *e.Record != *first.Record || e.Kind != first.Kind || e.Reason != first.Reason || string(e.Answer) != string(first.Answer):
		c.found("I-SAME", "%s was answered with %s and with %s", n, first.told(), e.told())
	case string(e.Body) != string(first.Body):
		c.found("I-SAME", "%s was answered for the content %s and for %s", n, first.Body, e.Body)
	}
}

// told is an answer in words.
func (e *Event) told() string {
	return fmt.Sprintf("%s at %d/%d (%s%s)", e.Kind, e.Record.Partition, e.Record.Offset, e.Reason, e.Answer)
}

// log compares what was answered with what is in the log.
func (c *check) log(records []Record) {
	at := make(map[name]Place)
	for i := range records {
		e, place := records[i].Fact.Envelop(), records[i].place()
		n := name{e.CustomerID, e.IdempotencyKey}
		if other, twice := at[n]; twice {
			c.found("I-ONCE", "%s stands at %d/%d and at %d/%d", n, other.Partition, other.Offset, place.Partition, place.Offset)
		}
		at[n] = place
		// A key of a client holds no space; those of the service itself do, of expiries and of what other
		// partitions sent.
		if c.keys[n] == nil && !strings.Contains(n.key, " ") {
			c.found("I-ACK", "%s stands at %d/%d, and was never asked", n, place.Partition, place.Offset)
		}
		c.outcome(n, &records[i])
	}
	for n, k := range c.keys {
		if k.reused && len(k.bodies) == 1 {
			c.found("I-SAME", "%s was refused as that of another command, and there was none", n)
		}
		for i := range k.answered {
			if place, there := at[n]; !there || place != *k.answered[i].Record {
				c.found("I-ACK", "%s was answered with %s; in the log: %v %+v", n, k.answered[i].told(), there, place)
			}
		}
	}
}

// outcome compares what a record says with what was answered.
func (c *check) outcome(n name, r *Record) {
	k := c.keys[n]
	if k == nil || len(k.answered) == 0 {
		return
	}
	rejected, no := r.Fact.(*event.CommandRejected)
	first := &k.answered[0]
	if no != (first.Kind == Rejected) || no && rejected.Reason != first.Reason {
		c.found("I-ACK", "%s was answered with %s, and the log says %+v", n, first.told(), r.Fact)
	}
}

// order looks for a command that stands behind one that was asked only when it had been answered.
func (c *check) order(records []Record) {
	earliest, by := none, name{}
	partition := int32(-1)
	for i := len(records) - 1; i >= 0; i-- {
		e := records[i].Fact.Envelop()
		n := name{e.CustomerID, e.IdempotencyKey}
		if records[i].Partition != partition {
			earliest, partition = none, records[i].Partition
		}
		k := c.keys[n]
		if k == nil {
			continue
		}
		if earliest < k.first {
			c.found("I-ORDER", "%s was answered before %s was asked, and stands behind it", by, n)
		}
		if k.told < earliest {
			earliest, by = k.told, n
		}
	}
}
