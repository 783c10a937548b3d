// Package rewards is a read model: the points that a customer is given for purchases, what was taken back of
// them, redeemed and expired.
//
// A customer has a summary, a row for every purchase that gave points, and a ledger of points whose sum is the
// balance. The rules are a table, in rules.go. Time is that of the events, months are UTC, and time does not
// run back: what occurred before the month of the summary counts in that month.
//
// A refund or reversal takes back the points of the very purchase, in proportion to what is given back. Points
// that have expired are not taken back; points that were redeemed are owed, and what is earned next pays for
// them. A refund that names no purchase, or one that is not known, takes back what a purchase of its amount,
// category and time would give. A redemption is decided here: it takes the oldest points if there are enough,
// and nothing otherwise.
//
// One event touches several rows of a customer, in the order of its keys, and what the first one decides the
// others are told. That is sound because the rows of a customer are saved together: they have seen the same
// events. A row that is not told refuses the event.
package rewards

import (
	"embed"
	"encoding/binary"
	"fmt"

	"github.com/refold/refold/projections/projection"
	"github.com/refold/refold/schemas/category"
	"github.com/refold/refold/schemas/event"
	"github.com/refold/refold/streams/topic"
)

// Name is the projection's name.
const Name = "rewards"

// Row is one row: exactly one of its parts is set, by the kind of its key; of a purchase that is not known,
// none.
type Row struct {
	Summary  *Summary  `avro:"summary"`
	Purchase *Purchase `avro:"purchase"`
	Entry    *Entry    `avro:"entry"`
}

// Entry is one line of the ledger. All Points less all Expired are the balance.
type Entry struct {
	Kind       string       `avro:"kind"`
	Points     int64        `avro:"points"`  // positive where the customer gets them
	Expired    int64        `avro:"expired"` // since the entry before, and before Points count
	Balance    int64        `avro:"balance"` // after both
	Asked      int64        `avro:"asked"`   // the points of a redemption
	OccurredAt event.Micros `avro:"occurred_at"`
}

// Kinds of entries.
const (
	Earned    = "EARNED"
	TakenBack = "TAKEN_BACK"
	GivenBack = "GIVEN_BACK" // a refund was reversed
	Redeemed  = "REDEEMED"
	Refused   = "REFUSED" // a redemption of more than there was
)

// posted are the fields of EntryPosted that are read.
type posted struct {
	EventID      string       `avro:"event_id"`
	PartitionSeq int64        `avro:"partition_seq"`
	OccurredAt   event.Micros `avro:"occurred_at"`
	Kind         string       `avro:"kind"`
	Legs         []leg        `avro:"legs"`
	MCC          string       `avro:"mcc"`
	Category     string       `avro:"category"`
	RefundOf     string       `avro:"refund_of"`
	Reverses     string       `avro:"reverses"`
	ReversesKind string       `avro:"reverses_kind"`
	told         told         `avro:"-"`
}

type leg struct {
	AccountID   string `avro:"account_id"`
	AmountMinor int64  `avro:"amount_minor"`
	Currency    string `avro:"currency"`
}

// told is what the rows of a customer tell each other of the event at an offset.
type told struct {
	offset   int64
	customer string
	summed   bool  // the summary has decided; else only the purchase has
	month    int64 // in which points were earned, or unknown
	entry    Entry
}

// unknown is the month of a purchase that is not known.
const unknown = -1

// by tells whether it is of this event and customer.
func (t *told) by(k projection.Key, m projection.Meta) bool {
	return t.customer == k.Partition && t.offset == m.Offset
}

//go:embed testdata/*.txt
var scripts embed.FS

// Definition returns the projection with the rules in force.
func Definition() *projection.Definition {
	versions := Versions()
	return versions[len(versions)-1].definition()
}

func (r Rules) definition() *projection.Definition {
	return projection.MustDefine(Name, r.Version,
		projection.On(topic.Transactions, event.NameEntryPosted, postedKeys, r.foldPosted),
		projection.On(topic.Transactions, event.NameRewardRedemptionRequested, requestedKeys, r.foldRequested),
	).Recorded(scripts)
}

// The sort keys of a customer's rows.
const (
	summarySort    = ""
	purchasePrefix = 'p' // then the event_id of the purchase
	entryPrefix    = 'e' // then the sequence number of the event in its partition, inverted, and its event_id
)

// Key returns the summary of a customer.
func Key(customer string) projection.Key {
	return projection.Key{Partition: customer, Sort: summarySort}
}

// Entries returns the sort keys from and up to which the ledger of a customer stands, the newest entry first.
func Entries() (from, to string) { return string(entryPrefix), string(entryPrefix + 1) }

// EventOf returns the event of an entry, by the sort key of its row.
func EventOf(sort string) string { return sort[min(len(sort), 9):] }

func entrySort(seq int64, event string) string {
	var b [64]byte
	s := binary.BigEndian.AppendUint64(append(b[:0], entryPrefix), ^uint64(seq))
	return string(append(s, event...))
}

// buys tells whether an entry gives points; takesBack whether it takes some back, or gives what was taken back.
func (e *posted) buys() bool { return e.Kind == event.EntryCardPurchase }

func (e *posted) takesBack() bool {
	return e.Kind == event.EntryRefund ||
		e.Kind == event.EntryReversal && (e.ReversesKind == event.EntryCardPurchase || e.ReversesKind == event.EntryRefund)
}

// of returns the purchase that an entry is about, "" where it names none.
func (e *posted) of() string {
	switch {
	case e.buys():
		return e.EventID
	case e.Kind == event.EntryReversal && e.ReversesKind == event.EntryCardPurchase:
		return e.Reverses
	}
	return e.RefundOf
}

// postedKeys adds what decides first: the summary how many points a purchase gives, and the purchase how many
// are taken back.
func postedKeys(e *posted, k *projection.Keys) {
	e.told = told{}
	buys := e.buys()
	if !buys && !e.takesBack() {
		return
	}
	for i := range e.Legs {
		customer, ok := event.Home(e.Legs[i].AccountID)
		if !ok {
			continue
		}
		if buys {
			k.Add(customer, summarySort)
		}
		if id := e.of(); id != "" {
			k.Add(customer, string(purchasePrefix)+id)
		}
		k.Add(customer, summarySort)
		k.Add(customer, entrySort(e.PartitionSeq, e.EventID))
	}
}

// untold is what a row says that did not learn what another one decided.
func untold(k projection.Key) error {
	return fmt.Errorf("the other rows of customer %s have not folded the event", k.Partition)
}

func (r *Rules) foldPosted(k projection.Key, row *Row, e *posted, m projection.Meta) error {
	switch {
	case k.Sort == summarySort:
		return r.foldSummary(k, row, e, m)
	case k.Sort[0] == purchasePrefix:
		return row.foldPurchase(k, e, m)
	}
	return row.foldEntry(k, &e.told, m)
}

func (r *Rules) foldSummary(k projection.Key, row *Row, e *posted, m projection.Meta) error {
	if !e.told.by(k, m) {
		e.told = told{offset: m.Offset, customer: k.Partition, month: unknown}
	}
	if row.Summary == nil {
		row.Summary = &Summary{}
	}
	return r.sum(row.Summary, e)
}

func (r *Row) foldPurchase(k projection.Key, e *posted, m projection.Meta) error {
	p, err := e.spent(k.Partition)
	switch {
	case err != nil:
		return err
	case !e.buys():
		e.told = told{offset: m.Offset, customer: k.Partition, month: unknown}
		if r.Purchase != nil {
			e.told.month = r.Purchase.Month
			e.told.entry.Points = r.Purchase.giveBack(-p.minor)
		}
		return nil
	case !e.told.by(k, m) || !e.told.summed:
		return untold(k)
	}
	r.Purchase = &Purchase{Month: e.told.month, AmountMinor: p.minor, Points: e.told.entry.Points}
	return nil
}

func (r *Row) foldEntry(k projection.Key, t *told, m projection.Meta) error {
	if !t.by(k, m) || !t.summed {
		return untold(k)
	}
	entry := t.entry
	r.Entry = &entry
	return nil
}

// sum folds an entry into the summary, which decides what it gives or takes.
func (r *Rules) sum(s *Summary, e *posted) error {
	t := &e.told
	p, err := e.spent(t.customer)
	if err != nil {
		return err
	}
	expired := s.advance(monthOf(e.OccurredAt), r.LifeMonths)
	points := t.entry.Points
	switch {
	case e.buys():
		t.month = s.Month
		points = max(0, min(r.points(p, r.tier(s.rolling())), r.MonthlyCap-s.month().Earned))
	case t.month == unknown:
		t.month = s.month().Month
		points = r.points(p, r.tier(s.rolling()))
	}
	if e.buys() {
		err = s.earn(points)
	} else {
		points, err = s.change(t.month, points)
	}
	if _, known := category.Of(e.MCC, e.Category); e.buys() && !known {
		s.Unknown++
	}
	t.summed = true
	t.entry = Entry{Kind: e.entryKind(p.minor), Points: points, Expired: expired, Balance: s.Balance(), OccurredAt: e.OccurredAt}
	return err
}

func (e *posted) entryKind(spent int64) string {
	switch {
	case e.buys():
		return Earned
	case spent > 0:
		return GivenBack
	}
	return TakenBack
}

// spent returns what a customer spent with an entry, in the currency of the customer's first leg; less than
// nothing where it came back.
func (e *posted) spent(customer string) (purchase, error) {
	c, _ := category.Of(e.MCC, e.Category)
	p := purchase{category: c, at: e.OccurredAt}
	for i := range e.Legs {
		l := &e.Legs[i]
		if home, ok := event.Home(l.AccountID); !ok || home != customer || p.currency != "" && p.currency != l.Currency {
			continue
		}
		p.currency = l.Currency
		if err := sum(&p.minor, -l.AmountMinor); err != nil {
			return p, err
		}
	}
	return p, nil
}
