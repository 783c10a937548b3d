package history

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Kind is what can be wrong.
type Kind string

// What can be wrong.
const (
	// Lost is a command that was acknowledged, and is not in the log where its client was told (I-ACK).
	Lost Kind = "lost"
	// Doubled is a key with two records, or a hold that ended twice (I-ONCE, I-HOLD).
	Doubled Kind = "doubled"
	// Different is a key with two answers, or an answer that the log does not bear out (I-SAME).
	Different Kind = "different answers"
	// Unasked is a record that no client had asked for (I-ACK).
	Unasked Kind = "unasked records"
	// Total is money that came from nowhere or went there, or an account below its floor (I-GLOBAL, I-FLOOR).
	Total Kind = "wrong totals"
	// Order is a command that stands before one that was answered before it was asked.
	Order Kind = "out of order"
)

// Kinds are all kinds, in the order in which a report names them.
func Kinds() []Kind { return []Kind{Lost, Doubled, Different, Unasked, Total, Order} }

// Finding is something that is wrong.
type Finding struct {
	Kind Kind
	What string
}

func (f Finding) String() string { return string(f.Kind) + ": " + f.What }

// command is what is known of one idempotency key of one customer.
type command struct {
	asked     map[string]bool // what was asked, by any client
	first     string          // what was asked where it was answered first
	answer    []byte          // the first answer
	outcome   Outcome
	place     place
	begun     time.Time // when it was first asked
	ended     time.Time // when it was first answered; zero where it never was
	records   int
	partition int32
	offset    int64
}

type place struct {
	partition int32
	offset    int64
}

// Checker holds a history against a log: first every call, then every record, each partition in order. It is
// for accounts that may not fall below zero.
type Checker struct {
	commands map[string]*command
	holds    map[string]int    // how often each ended
	balances map[string]int64  // by account
	world    map[string]int64  // what came from outside, by account
	events   map[string]bool   // ids of all records
	caused   map[string]Record // records that follow from others, by their keys
	served   map[int32]time.Time
	gap      map[int32]time.Duration
	findings []Finding
}

// NewChecker returns a checker that has seen nothing.
func NewChecker() *Checker {
	return &Checker{
		commands: make(map[string]*command), holds: make(map[string]int), balances: make(map[string]int64),
		world: make(map[string]int64), events: make(map[string]bool), caused: make(map[string]Record),
		served: make(map[int32]time.Time), gap: make(map[int32]time.Duration),
	}
}

func (c *Checker) found(k Kind, format string, args ...any) {
	c.findings = append(c.findings, Finding{k, fmt.Sprintf(format, args...)})
}

func name(customer, key string) string { return customer + "/" + key }

// Op takes a call.
func (c *Checker) Op(o *Op) {
	id := name(o.Customer, o.Key)
	k := c.commands[id]
	if k == nil {
		k = &command{asked: make(map[string]bool), begun: o.Begun}
		c.commands[id] = k
	}
	content := o.Call + string(o.Request)
	k.asked[content] = true
	if o.Begun.Before(k.begun) {
		k.begun = o.Begun
	}
	if !o.Acknowledged() {
		return
	}
	c.serve(o)
	if k.outcome == "" {
		k.first, k.answer, k.outcome, k.ended = content, slices.Clone(o.Answer), o.Outcome, o.Ended
		k.place = place{o.Partition, o.Offset}
		return
	}
	if content != k.first {
		c.found(Different, "%s stands for two commands: %s and %s", id, k.first, content)
	} else if o.Outcome != k.outcome || !bytes.Equal(o.Answer, k.answer) {
		c.found(Different, "%s was answered %s %s and %s %s", id, k.outcome, k.answer, o.Outcome, o.Answer)
	}
	if o.Ended.Before(k.ended) {
		k.ended = o.Ended
	}
}

// serve keeps the longest time in which a partition acknowledged nothing.
func (c *Checker) serve(o *Op) {
	last, ok := c.served[o.Partition]
	if ok {
		c.gap[o.Partition] = max(c.gap[o.Partition], o.Ended.Sub(last))
	}
	if o.Ended.After(last) {
		c.served[o.Partition] = o.Ended
	}
}

// Gap returns the longest time in which a partition acknowledged nothing between two answers.
func (c *Checker) Gap() (partition int32, gap time.Duration) {
	for p, g := range c.gap {
		if g > gap {
			partition, gap = p, g
		}
	}
	return partition, gap
}

// Record takes a record, after every call.
func (c *Checker) Record(r *Record) {
	c.book(r)
	if r.ends() {
		if c.holds[r.HoldID]++; c.holds[r.HoldID] > 1 {
			c.found(Doubled, "hold %s ended %d times, last at %d/%d", r.HoldID, c.holds[r.HoldID], r.Partition, r.Offset)
		}
	}
	c.events[r.EventID] = true
	id := name(r.Customer, r.Key)
	if r.cause() != "" {
		c.follow(id, r)
		return
	}
	k := c.commands[id]
	if k == nil {
		c.found(Unasked, "%s at %d/%d has the key %s of %s, which nobody sent", r.Type, r.Partition, r.Offset, r.Key, r.Customer)
		return
	}
	if k.records++; k.records > 1 {
		c.found(Doubled, "%s is at %d and at %d of partition %d", id, k.offset, r.Offset, r.Partition)
	}
	k.partition, k.offset = r.Partition, r.Offset
	c.compare(k, r)
}

// follow takes a record that nobody asked for.
func (c *Checker) follow(id string, r *Record) {
	if before, ok := c.caused[id]; ok {
		c.found(Doubled, "%s is at %d and at %d of partition %d", id, before.Offset, r.Offset, r.Partition)
	}
	c.caused[id] = *r
}

// compare holds an answer against its record.
func (c *Checker) compare(k *command, r *Record) {
	id := name(r.Customer, r.Key)
	refused := r.Type == "bank.CommandRejected"
	if k.outcome == "" {
		return
	}
	if at := (place{r.Partition, r.Offset}); k.place != at {
		c.found(Different, "%s was told %d/%d, and is at %d/%d", id, k.place.partition, k.place.offset, r.Partition, r.Offset)
	}
	if refused != (k.outcome == Rejected) {
		c.found(Different, "%s was told %s, and the log holds %s", id, k.outcome, r.Type)
	}
	if told := legs(k.answer); len(told) > 0 && !slices.Equal(told, r.Legs) {
		c.found(Different, "%s was told %v, and the log holds %v", id, told, r.Legs)
	}
}

// legs returns the legs of an answer that has an entry.
func legs(answer json.RawMessage) []Leg {
	var a struct {
		Entry struct {
			Legs []struct {
				Account  string `json:"account_id"`
				Amount   int64  `json:"amount_minor,string"`
				Currency string `json:"currency"`
				Balance  int64  `json:"balance_after_minor,string"`
			} `json:"legs"`
		} `json:"entry"`
	}
	if json.Unmarshal(answer, &a) != nil {
		return nil
	}
	var out []Leg
	for _, l := range a.Entry.Legs {
		out = append(out, Leg(l))
	}
	return out
}

// book adds up what a record moves.
func (c *Checker) book(r *Record) {
	sums := make(map[string]int64)
	for _, l := range r.Legs {
		sums[l.Currency] += l.Amount
		c.balances[l.Account] += l.Amount
		if c.balances[l.Account] != l.Balance {
			c.found(Total, "%s has %d after %d/%d, which says %d", l.Account, c.balances[l.Account], r.Partition, r.Offset, l.Balance)
		}
		if l.Balance < 0 && !strings.HasPrefix(l.Account, "@") {
			c.found(Total, "%s has %d after %d/%d", l.Account, l.Balance, r.Partition, r.Offset)
		}
	}
	for currency, sum := range sums {
		if sum != 0 {
			c.found(Total, "%d/%d moves %d %s from nowhere", r.Partition, r.Offset, sum, currency)
		}
	}
	c.deposit(r)
}

// deposit remembers what came from the world.
func (c *Checker) deposit(r *Record) {
	for _, l := range r.Legs {
		if strings.HasPrefix(l.Account, "@world") && len(r.Legs) == 2 {
			other := r.Legs[0]
			if other == l {
				other = r.Legs[1]
			}
			c.world[other.Account] += other.Amount
		}
	}
}

// Close says what is wrong, when every call and every record was taken. Closed accounts are those between
// which alone money was moved since it came from outside: what they have together, and what is on its way
// between them, must be what came.
func (c *Checker) Close(closed []string) []Finding {
	for id, k := range c.commands {
		if k.outcome != "" && k.records == 0 {
			c.found(Lost, "%s was told %s at %d/%d, and is not in the log", id, k.outcome, k.place.partition, k.place.offset)
		}
	}
	for _, r := range c.caused {
		if !c.events[r.cause()] {
			c.found(Unasked, "%s at %d/%d follows from %s, which is not in the log", r.Type, r.Partition, r.Offset, r.cause())
		}
	}
	c.total(closed)
	c.order()
	return c.findings
}

// Clearing returns what is on its way from one partition to another.
func (c *Checker) Clearing() (sum int64) {
	for a, balance := range c.balances {
		if strings.HasPrefix(a, "@clearing") {
			sum += balance
		}
	}
	return sum
}

func (c *Checker) total(closed []string) {
	var came, is int64
	for _, a := range closed {
		came += c.world[a]
		is += c.balances[a]
	}
	is += c.Clearing()
	if came != is {
		c.found(Total, "%d came to the %d accounts of the bank, and they have %d", came, len(closed), is)
	}
}

// order finds commands that were asked after the answer of one that stands behind them.
func (c *Checker) order() {
	var all []*command
	for _, k := range c.commands {
		if k.records > 0 {
			all = append(all, k)
		}
	}
	slices.SortFunc(all, func(a, b *command) int {
		return cmp.Or(cmp.Compare(a.partition, b.partition), cmp.Compare(b.offset, a.offset))
	})
	var behind *command // of those that stand behind in the partition, the one that was answered first
	for _, k := range all {
		if behind != nil && behind.partition != k.partition {
			behind = nil
		}
		if behind != nil && k.begun.After(behind.ended) {
			c.found(Order, "%d/%d was asked at %s, and %d was answered at %s", k.partition, k.offset, k.begun, behind.offset, behind.ended)
		}
		if !k.ended.IsZero() && (behind == nil || k.ended.Before(behind.ended)) {
			behind = k
		}
	}
}
