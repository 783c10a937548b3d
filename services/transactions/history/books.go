package history

import (
	"crypto/sha256"
	"fmt"

	"github.com/refold/refold/projections/ledger"
	"github.com/refold/refold/schemas/event"
)

// books holds a committed log against the invariants that need nothing else, after every record:
//
//	I-SEQ     numbers of partitions and accounts have no gaps, times only grow
//	I-CHAIN   a record names the one before it by its hash
//	I-WRITER  no two records name the same predecessor
//	I-SUM     the legs of an entry sum to zero per currency
//	I-GLOBAL  so do all balances, and a leg says what it leaves
//	I-FLOOR   what is available of an account is not below its limit
//	I-HOLD    a hold ends once, and no more of it is taken than was held
//
// It is written apart from the fold of package ledger and from the Verifier, in the fewest words, so that it
// is not wrong in the same place.
type books struct {
	*report
	at       *Record
	heads    map[int32]*head
	accounts map[string]*account
	touched  []*account       // by the record at hand
	world    map[string]int64 // what came from outside, by account
}

func newBooks(r *report) books {
	return books{report: r, heads: make(map[int32]*head), accounts: make(map[string]*account), world: make(map[string]int64)}
}

type account struct {
	id      string
	seq     int64
	balance int64
	limit   int64
	holds   map[string]int64
}

// head is the end of one partition.
type head struct {
	seq    int64
	at     event.Micros
	hash   event.Hash
	before map[event.Hash]bool // hashes that were named
	totals map[string]int64    // by currency
}

func (b *books) record(r *Record) {
	b.at = r
	h := b.heads[r.Partition]
	if h == nil {
		h = &head{before: make(map[event.Hash]bool), totals: make(map[string]int64)}
		b.heads[r.Partition] = h
	}
	b.follow(h)
	b.fact()
	b.floors()
}

// wrong says what is wrong with the record at hand.
func (b *books) wrong(breach Breach, invariant, format string, args ...any) {
	b.found(breach, "%s: %d/%d: %s", invariant, b.at.Partition, b.at.Offset, fmt.Sprintf(format, args...))
}

func (b *books) follow(h *head) {
	e := b.at.Fact.Envelop()
	if e.PartitionSeq != h.seq+1 || h.seq > 0 && e.RecordedAt <= h.at {
		b.wrong(Broken, "I-SEQ", "number %d at %d comes after number %d at %d", e.PartitionSeq, e.RecordedAt, h.seq, h.at)
	}
	if e.PrevHash != h.hash {
		b.wrong(Broken, "I-CHAIN", "it names another record as the one before it")
	}
	if h.before[e.PrevHash] {
		b.wrong(Broken, "I-WRITER", "it names a record that another one names as the one before it")
	}
	h.before[e.PrevHash] = true
	h.seq, h.at, h.hash = e.PartitionSeq, e.RecordedAt, sha256.Sum256(b.at.Value)
	if posted, ok := b.at.Fact.(*event.EntryPosted); ok {
		b.total(posted, h)
	}
}

func (b *books) total(e *event.EntryPosted, h *head) {
	sums := make(map[string]int64)
	for i := range e.Legs {
		sums[e.Legs[i].Currency] += e.Legs[i].AmountMinor
		h.totals[e.Legs[i].Currency] += e.Legs[i].AmountMinor
	}
	for currency, sum := range sums {
		if sum != 0 {
			b.wrong(Totals, "I-SUM", "the legs sum to %d %s", sum, currency)
		}
		if h.totals[currency] != 0 {
			b.wrong(Totals, "I-GLOBAL", "all accounts of the partition have %d %s", h.totals[currency], currency)
		}
	}
}

// account returns an account that the record at hand touches.
func (b *books) account(id string) *account {
	a := b.accounts[id]
	if a == nil {
		a = &account{id: id, holds: make(map[string]int64)}
		b.accounts[id] = a
	}
	b.touched = append(b.touched, a)
	return a
}

func (b *books) fact() {
	b.touched = b.touched[:0]
	switch e := b.at.Fact.(type) {
	case *event.AccountOpened:
		b.account(e.AccountID).limit = e.OverdraftLimitMinor
	case *event.HoldPlaced:
		b.account(e.AccountID).holds[e.EventID] = e.AmountMinor
	case *event.HoldReleased:
		b.resolve(e.AccountID, e.HoldID, e.AmountMinor)
	case *event.HoldExpired:
		b.resolve(e.AccountID, e.HoldID, e.AmountMinor)
	case *event.EntryPosted:
		b.entry(e)
	}
}

func (b *books) resolve(id, hold string, taken int64) {
	a := b.account(id)
	held, open := a.holds[hold]
	if !open {
		b.wrong(Doubled, "I-HOLD", "hold %s of account %s ends, and is not open", hold, id)
	} else if taken > held {
		b.wrong(Totals, "I-HOLD", "hold %s of account %s ends with %d, of %d held", hold, id, taken, held)
	}
	delete(a.holds, hold)
}

func (b *books) entry(e *event.EntryPosted) {
	if e.HoldID != "" {
		b.resolve(e.Legs[0].AccountID, e.HoldID, -e.Legs[0].AmountMinor)
	}
	for i := range e.Legs {
		l := &e.Legs[i]
		a := b.account(l.AccountID)
		a.seq++
		a.balance += l.AmountMinor
		if l.AccountSeq != a.seq {
			b.wrong(Broken, "I-SEQ", "leg %d of account %s is number %d", l.AccountSeq, l.AccountID, a.seq)
		}
		if l.BalanceAfterMinor != a.balance {
			b.wrong(Totals, "I-GLOBAL", "leg %d of account %s leaves %d, and says %d", a.seq, l.AccountID, a.balance, l.BalanceAfterMinor)
		}
	}
	b.deposit(e)
}

func (b *books) floors() {
	for _, a := range b.touched {
		available := a.balance
		for _, held := range a.holds {
			available -= held
		}
		if available < -a.limit && !ledger.Internal(a.id) {
			b.wrong(Totals, "I-FLOOR", "account %s has %d available, and may not fall below %d", a.id, available, -a.limit)
		}
	}
}
