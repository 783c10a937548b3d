package history

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/refold/refold/schemas/event"
)

// Breach is a way to break an invariant, as a report counts them.
type Breach string

// The breaches, and the invariants that they break.
const (
	// Lost is a command that was acknowledged, and is not in the log (I-ACK).
	Lost Breach = "lost"
	// Doubled is a key with two records, or a hold that ended twice (I-ONCE, I-HOLD).
	Doubled Breach = "doubled"
	// Different is a key with two answers, or an answer that the log does not bear out (I-SAME, I-ACK).
	Different Breach = "different answers"
	// Unasked is a record that nobody asked for (I-ACK).
	Unasked Breach = "unasked records"
	// Totals is money that came from nowhere or went there, or was taken though it was not there (I-SUM,
	// I-GLOBAL, I-FLOOR, I-HOLD, I-DRAIN).
	Totals Breach = "wrong totals"
	// Disorder is a command that stands behind one that was asked only when it had been answered (I-ORDER).
	Disorder Breach = "out of order"
	// Broken is a record that does not follow the one before it (I-SEQ, I-CHAIN, I-WRITER).
	Broken Breach = "broken chains"
)

// Breaches are all of them, in the order in which a report names them.
func Breaches() []Breach {
	return []Breach{Lost, Doubled, Different, Unasked, Totals, Disorder, Broken}
}

// Finding is something that is wrong. What begins with the invariant that it breaks.
type Finding struct {
	Breach Breach
	What   string
}

func (f Finding) String() string { return f.What }

// report is what was found so far.
type report struct{ findings []Finding }

func (r *report) found(b Breach, format string, args ...any) {
	r.findings = append(r.findings, Finding{b, fmt.Sprintf(format, args...)})
}

// Fact is a pointer to one of the journal's events of package event.
type Fact interface{ Envelop() *event.Envelope }

// Record is a committed record of the journal. Its Fact is nil where the record is none.
type Record struct {
	Partition int32
	Offset    int64
	Value     []byte
	Fact      Fact
}

func (r *Record) place() Place {
	return Place{EventID: r.Fact.Envelop().EventID, Partition: r.Partition, Offset: r.Offset}
}

func (r *Record) name() name {
	e := r.Fact.Envelop()
	return name{e.CustomerID, e.IdempotencyKey}
}

// Checker holds a history and the whole committed log against the standing invariants: first it takes every
// event, then every record, each partition in order, and then it is closed.
//
//	I-ONCE    a key has at most one record
//	I-ACK     what was answered is in the log, where the answer says and as it says; what is in the log was
//	          asked for and not refused, or follows from something in the log
//	I-SAME    all answers to a key are equal; one of several contents of a key is answered, the others refused
//	I-ORDER   a command that was answered before another was asked stands before it in their partition
//	I-SEQ, I-CHAIN, I-WRITER, I-SUM, I-GLOBAL, I-FLOOR, I-HOLD of the log alone; see books
type Checker struct {
	*report
	answers
	books
	service
	transit transit
}

// NewChecker returns a checker that has seen nothing.
func NewChecker() *Checker {
	r := &report{}
	return &Checker{report: r, answers: newAnswers(r), books: newBooks(r), transit: make(transit), service: newService()}
}

// Event takes an event of the history.
func (c *Checker) Event(e *Event) {
	c.answers.event(e)
	if e.Acknowledged() && e.Record != nil {
		c.service.answer(e)
	}
}

// Record takes a record, after every event.
func (c *Checker) Record(r *Record) {
	if r.Fact == nil {
		c.found(Unasked, "I-ACK: %d/%d is no record of the journal", r.Partition, r.Offset)
		return
	}
	c.books.record(r)
	c.transit.record(r.Fact)
	c.answers.record(r)
}

// Close returns what is wrong, when every event and every record was taken.
func (c *Checker) Close() []Finding {
	c.missing()
	c.order()
	return c.findings
}

// Drained returns what is wrong where nothing is under way any more: see [Drained].
func (c *Checker) Drained() []Finding {
	r := &report{findings: c.transit.drained()}
	if left := c.clearing(); left != 0 {
		r.found(Totals, "I-DRAIN: the clearing accounts have %d", left)
	}
	return r.findings
}

// Check holds a history and the whole committed log against the standing invariants; see [Checker].
func Check(events []Event, records []Record) []Finding {
	c := NewChecker()
	for i := range events {
		c.Event(&events[i])
	}
	records = slices.Clone(records)
	slices.SortFunc(records, func(a, b Record) int {
		return cmp.Or(cmp.Compare(a.Partition, b.Partition), cmp.Compare(a.Offset, b.Offset))
	})
	for i := range records {
		c.Record(&records[i])
	}
	return c.Close()
}
