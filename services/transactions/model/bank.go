package model

import (
	"fmt"
	"reflect"

	"github.com/refold/refold/schemas/event"
	"github.com/refold/refold/services/transactions/pile"
)

// fact is an event of the journal.
type fact interface{ Envelop() *event.Envelope }

// bank is one partition of the journal as the model sees it.
type bank struct {
	partition, partitions int32
	transfers             *transfers // of all partitions
	keys                  *pile.Pile // of all partitions
	forms                 forms
	shelf                 *shelf
	report                *Report

	accounts map[string]*account
	seq      int64        // of the last record
	at       event.Micros // when it was recorded
	totals   map[string]int64
	offset   int64 // of the record at hand
	broken   error // why the model cannot go on
}

func (b *bank) fail(err error) {
	if b.broken == nil {
		b.broken = err
	}
}

func (b *bank) found(format string, args ...any) {
	b.report.problem(b.partition, b.offset, format, args...)
}

// step holds a record against the model, and moves the model on by it: after a problem it goes on from what
// the record says. The error says that the model could not remember something.
func (b *bank) step(f fact, offset int64) error {
	b.offset = offset
	b.report.Records++
	e := f.Envelop()
	b.sequence(e)
	b.once(e)
	switch f := f.(type) {
	case *event.HoldExpired:
		b.expire(f)
	case *event.CommandRejected:
		b.rejected(f)
	default:
		b.accepted(f)
	}
	b.transfers.add(b, f)
	before := b.touched(f)
	b.apply(f)
	b.add(f, before)
	return b.broken
}

// sequence is I-SEQ, of the partition.
func (b *bank) sequence(e *event.Envelope) {
	if e.PartitionSeq != b.seq+1 {
		b.found("is number %d of its partition, after number %d", e.PartitionSeq, b.seq)
	}
	if b.seq > 0 && e.RecordedAt <= b.at {
		b.found("was recorded at %s, not after the one before it", e.RecordedAt.Time())
	}
	b.seq, b.at = e.PartitionSeq, e.RecordedAt
}

// once takes note of the key, for I-ONCE.
func (b *bank) once(e *event.Envelope) {
	b.fail(b.keys.Add(pile.Claim{About: pile.About("key", e.CustomerID, e.IdempotencyKey), Partition: b.partition, Offset: b.offset}))
}

// expire checks a record that the bank makes by itself.
func (b *bank) expire(e *event.HoldExpired) {
	b.report.Expired++
	h := b.hold(e.AccountID, e.HoldID)
	switch {
	case h == nil:
		b.found("lets hold %s of account %s expire, which was never placed", e.HoldID, e.AccountID)
	case h.Ended != "":
		b.found("lets hold %s expire, which has ended: %s", e.HoldID, h.Ended)
	case e.RecordedAt < h.ExpiresAt:
		b.found("lets hold %s expire before %s", e.HoldID, h.ExpiresAt.Time())
	case e.AmountMinor != h.Amount || e.ExpiresAt != h.ExpiresAt:
		b.found("is wrong about hold %s of %d until %s", e.HoldID, h.Amount, h.ExpiresAt.Time())
	}
}

// rejected holds a rejection against what the model says to its command.
func (b *bank) rejected(e *event.CommandRejected) {
	if len(e.Content) == 0 {
		b.report.NotCompared++
		return
	}
	b.report.Rejected++
	c, err := Parse(e.Content)
	if err != nil || digest(e.Content) != e.CommandHash {
		b.found("does not hold the command that it rejects")
		return
	}
	if c.Name != e.Command || c.Account != e.AccountID {
		b.found("rejects %s of account %s, and says that it is %s of account %s", c.Name, c.Account, e.Command, e.AccountID)
	}
	b.punctual(&c)
	got, why := b.decide(&c, e.RecordedAt)
	switch {
	case got != nil:
		b.found("rejects %s with %s, which is to be accepted", c.Name, e.Reason)
	case why != e.Reason:
		b.found("rejects %s with %s, not with %s", c.Name, e.Reason, why)
	}
}

// accepted holds an accepted record against what the model says to its command.
func (b *bank) accepted(f fact) {
	b.report.Accepted++
	c, ok := commandOf(f)
	if !ok {
		b.found("is not what a command of its digest asks for")
		if c.Name == "" {
			return
		}
	}
	b.punctual(&c)
	want, why := b.decide(&c, f.Envelop().RecordedAt)
	if want == nil && why == "" {
		b.found("ends a transfer that account %s has not sent", c.Account)
		return
	}
	if why != "" {
		b.found("accepts %s of account %s, which is to be rejected with %s", c.Name, c.Account, why)
		return
	}
	arrived(want, f)
	if !reflect.DeepEqual(f, want) {
		b.found("is %s, which is to be %s", text(f), text(want))
	}
}

// arrived gives an event what a record says of how it came to be: that is not the command's to say.
func arrived(want, f fact) {
	*want.Envelop() = *f.Envelop()
	switch f := f.(type) {
	case *event.EntryPosted:
		if e, ok := want.(*event.EntryPosted); ok {
			e.InboxNext = f.InboxNext
		}
	case *event.TransferSettled:
		if e, ok := want.(*event.TransferSettled); ok {
			e.InboxNext = f.InboxNext
		}
	}
}

// commandOf returns the command that a record answers: the one of its digest. Where there is none it returns
// one that may have been meant.
func commandOf(f fact) (c Command, proved bool) {
	for one := range asked(f) {
		if c.Name == "" {
			c = one
		}
		if one.Digest() == f.Envelop().CommandHash {
			return one, true
		}
	}
	return c, false
}

func text(f fact) string {
	t := reflect.ValueOf(f).Elem()
	out := t.Type().Name()
	for i := range t.NumField() {
		if name := t.Type().Field(i).Name; name != "Envelope" && !t.Field(i).IsZero() {
			out += fmt.Sprintf(" %s %v", name, t.Field(i).Interface())
		}
	}
	return out
}

// punctual checks that no hold of an account that a command is about was open past its time.
func (b *bank) punctual(c *Command) {
	accounts := []string{c.Account}
	for _, l := range c.Legs {
		accounts = append(accounts, l.Account)
	}
	if c.Name == ReverseEntry {
		if e := b.entryOf(c.Account, c.Entry); e != nil {
			for _, l := range e.Legs {
				accounts = append(accounts, l.Account)
			}
		}
	}
	for _, id := range accounts {
		if b.accounts[id] == nil {
			continue
		}
		for _, h := range b.accounts[id].open {
			if h.expires <= b.at {
				b.found("was decided while hold %s of account %s was open past its time", h.id, id)
			}
		}
	}
}

// touched returns the balances of the accounts that a record books to.
func (b *bank) touched(f fact) map[string]int64 {
	e, ok := f.(*event.EntryPosted)
	if !ok {
		return nil
	}
	out := make(map[string]int64, len(e.Legs))
	for i := range e.Legs {
		out[e.Legs[i].AccountID] = b.account(e.Legs[i].AccountID).balance
	}
	return out
}

// add checks what must hold after every record: I-SUM and I-GLOBAL of what balances became, I-FLOOR, I-HOLD.
func (b *bank) add(f fact, before map[string]int64) {
	for id, was := range before {
		a := b.accounts[id]
		b.totals[a.currency] += a.balance - was
		if !event.Internal(id) && a.available().Sign() < 0 {
			b.found("leaves account %s below its floor: it has %d and may go to %d", id, a.balance, -a.overdraft)
		}
	}
	if h, ok := f.(*event.HoldPlaced); ok && b.accounts[h.AccountID].available().Sign() < 0 {
		b.found("holds more of account %s than it has", h.AccountID)
	}
	for currency, total := range b.totals {
		if total != 0 {
			b.found("leaves all accounts of the partition together with %d %s, not zero", total, currency)
			b.totals[currency] = 0 // it is told once
		}
	}
}
