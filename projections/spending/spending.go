// Package spending is a read model: what a customer spent and got, by month and category.
//
// A row is one customer and month (UTC). Purchases, withdrawals and fees are spent; refunds come off, and
// what was reversed, in the month of its reversal. Deposits, salaries and interest are income; transfers are
// neither. What cannot be told by its category is other, and counted.
//
// The month of a customer begins and ends where the customer is. A fold knows no time zones, which change and
// differ from machine to machine: what is within hours of the end of a month is kept apart by the quarter of an
// hour, and Months puts it into the month of any time zone.
package spending

import (
	"cmp"
	"embed"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/refold/refold/projections/projection"
	"github.com/refold/refold/schemas/category"
	"github.com/refold/refold/schemas/event"
	"github.com/refold/refold/schemas/money"
	"github.com/refold/refold/streams/topic"
)

// Name is the projection's name.
const Name = "spending"

// Row is what one customer spent and got in one month, or the customer's time zone.
type Row struct {
	Cells   []Cell `avro:"cells"`   // ordered by their first three fields
	Unknown int64  `avro:"unknown"` // entries whose category no table has
	Zone    string `avro:"zone"`    // the first that an account of the customer states
}

// Cell is what was spent on one category in one currency, or got, in minor units.
type Cell struct {
	Category    int64  `avro:"category"` // a number of package category, or Income
	Edge        int64  `avro:"edge"`     // 0, or in which quarter of an hour of the month, counted from 1
	Currency    string `avro:"currency"`
	AmountMinor int64  `avro:"amount_minor"`
	Entries     int64  `avro:"entries"`
}

// Income is the category of what was got.
const Income = -1

// opened are the fields of AccountOpened that are read.
type opened struct {
	CustomerID string `avro:"customer_id"`
	TimeZone   string `avro:"time_zone"`
}

// posted are the fields of EntryPosted that are read.
type posted struct {
	OccurredAt event.Micros `avro:"occurred_at"`
	Kind       string       `avro:"kind"`
	MCC        string       `avro:"mcc"`
	Category   string       `avro:"category"`
	Legs       []leg        `avro:"legs"`
	// ReversesKind is the kind of the entry that a reversal takes back.
	ReversesKind string `avro:"reverses_kind"`
	// What follows is found with the keys.
	flow     flow     `avro:"-"`
	month    string   `avro:"-"`
	edge     int64    `avro:"-"`
	calendar calendar `avro:"-"`
}

type leg struct {
	AccountID   string `avro:"account_id"`
	AmountMinor int64  `avro:"amount_minor"`
	Currency    string `avro:"currency"`
	home        string `avro:"-"` // the customer whose account it is, "" where it is nobody's; found with the keys
}

// flow is what an entry means.
type flow struct {
	category int64
	sign     int64 // what an amount is multiplied with
	known    bool
}

//go:embed testdata/*.txt
var scripts embed.FS

// Definition returns the projection.
func Definition() *projection.Definition {
	return projection.MustDefine(Name, 4,
		projection.On(topic.Transactions, event.NameEntryPosted, keys, fold),
		projection.On(topic.Transactions, event.NameAccountOpened, openedKeys, foldOpened),
	).Recorded(scripts)
}

// zoneSort is the sort key of a customer's time zone, behind those of all months.
const zoneSort = "zone"

// ZoneKey returns the row of a customer's time zone.
func ZoneKey(customer string) projection.Key {
	return projection.Key{Partition: customer, Sort: zoneSort}
}

func openedKeys(e *opened, k *projection.Keys) {
	if e.TimeZone != "" {
		k.Add(e.CustomerID, zoneSort)
	}
}

func foldOpened(_ projection.Key, r *Row, e *opened, _ projection.Meta) error {
	if r.Zone == "" {
		r.Zone = strings.Clone(e.TimeZone)
	}
	return nil
}

func keys(e *posted, k *projection.Keys) {
	var moves bool
	if e.flow, moves = e.means(); !moves {
		return
	}
	e.month, e.edge = e.calendar.place(e.OccurredAt)
	for i := range e.Legs {
		l := &e.Legs[i]
		l.home = ""
		if event.Internal(l.AccountID) {
			continue
		}
		customer, _, account := strings.Cut(l.AccountID, ".")
		if account {
			l.home = customer
		}
		k.Add(customer, e.month)
	}
}

// means returns what an entry means, and whether it is spending or income at all.
func (e *posted) means() (f flow, moves bool) {
	kind := e.Kind
	if kind == event.EntryReversal {
		kind = e.ReversesKind
	}
	switch kind {
	case event.EntryDeposit, event.EntrySalary, event.EntryInterest:
		return flow{category: Income, sign: 1, known: true}, true
	}
	c, spends, known := category.Spent(e.Kind, e.ReversesKind, e.MCC, e.Category)
	return flow{category: int64(c), sign: -1, known: known}, spends
}

func fold(k projection.Key, r *Row, e *posted, _ projection.Meta) error {
	if !e.flow.known {
		r.Unknown++
	}
	for i := range e.Legs {
		l := &e.Legs[i]
		if l.home == "" || l.home != k.Partition {
			continue
		}
		at := Cell{Category: e.flow.category, Edge: e.edge, Currency: l.Currency}
		if err := r.add(&at, e.flow.sign*l.AmountMinor); err != nil {
			return err
		}
	}
	return nil
}

// add adds an amount to a cell.
func (r *Row) add(at *Cell, amount int64) error {
	i, found := r.find(at)
	if !found {
		r.Cells = slices.Insert(r.Cells, i, Cell{Category: at.Category, Edge: at.Edge, Currency: strings.Clone(at.Currency)})
	}
	c := &r.Cells[i]
	sum, fits := money.Add(c.AmountMinor, amount)
	if !fits {
		return fmt.Errorf("the sum of category %d in %s does not fit into 64 bits", at.Category, at.Currency)
	}
	c.AmountMinor = sum
	c.Entries++
	return nil
}

// find returns where a cell is, or is to be. It is slices.BinarySearchFunc without a copy of every cell that is
// looked at.
func (r *Row) find(at *Cell) (place int, found bool) {
	low, high := 0, len(r.Cells)
	for low < high {
		middle := int(uint(low+high) / 2)
		switch c := byPlace(&r.Cells[middle], at); {
		case c == 0:
			return middle, true
		case c < 0:
			low = middle + 1
		default:
			high = middle
		}
	}
	return low, false
}

func byPlace(a, b *Cell) int {
	if a.Category != b.Category {
		return cmp.Compare(a.Category, b.Category)
	}
	if a.Edge != b.Edge {
		return cmp.Compare(a.Edge, b.Edge)
	}
	if a.Currency == b.Currency {
		return 0
	}
	return strings.Compare(a.Currency, b.Currency)
}

// Month returns the month of a time, in UTC, such as 2014-01. Years have four digits.
func Month(t time.Time) string {
	year, month, _ := t.UTC().Date()
	return string([]byte{
		byte('0' + year/1000%10), byte('0' + year/100%10), byte('0' + year/10%10), byte('0' + year%10), '-',
		byte('0' + month/10), byte('0' + month%10),
	})
}
