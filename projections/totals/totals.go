// Package totals is a read model: what all customers of the bank spend together, by month (UTC) and category.
//
// A row is a month of one partition, so that nobody waits for anybody: the bank is the sum of its partitions, and
// a row that every purchase touches is written once a save. Purchases, withdrawals and fees are spent; refunds
// come off, and what was reversed, in the month of its reversal. The bank's own accounts spend nothing.
package totals

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
const Name = "totals"

// Partition is the partition key of all rows.
const Partition = "@bank"

// Row is a month of a partition, ordered by category and currency.
type Row struct {
	Cells   []Cell `avro:"cells"`
	Unknown int64  `avro:"unknown"` // entries whose category no table has
}

// Cell is what was spent on one category in one currency, in minor units.
type Cell struct {
	Category   int64  `avro:"category"` // a number of package category
	Currency   string `avro:"currency"`
	SpentMinor int64  `avro:"spent_minor"`
	Entries    int64  `avro:"entries"`
}

// posted are the fields of EntryPosted that are read.
type posted struct {
	OccurredAt   event.Micros `avro:"occurred_at"`
	Kind         string       `avro:"kind"`
	ReversesKind string       `avro:"reverses_kind"`
	MCC          string       `avro:"mcc"`
	Category     string       `avro:"category"`
	Legs         []leg        `avro:"legs"`
}

type leg struct {
	AccountID   string `avro:"account_id"`
	AmountMinor int64  `avro:"amount_minor"`
	Currency    string `avro:"currency"`
}

//go:embed testdata/*.txt
var scripts embed.FS

// Definition returns the projection.
func Definition() *projection.Definition {
	return projection.MustDefine(Name, 1, projection.On(topic.Transactions, event.NameEntryPosted, keys, fold)).Recorded(scripts)
}

// MonthOf returns the sort key of the row of a time's month, such as 2014-01.
func MonthOf(t time.Time) string { return t.UTC().Format("2006-01") }

func keys(e *posted, k *projection.Keys) {
	if _, spends, _ := category.Spent(e.Kind, e.ReversesKind, e.MCC, e.Category); spends {
		k.Add(Partition, MonthOf(e.OccurredAt.Time()))
	}
}

func fold(_ projection.Key, r *Row, e *posted, _ projection.Meta) error {
	c, _, known := category.Spent(e.Kind, e.ReversesKind, e.MCC, e.Category)
	if !known {
		r.Unknown++
	}
	for i := range e.Legs {
		l := &e.Legs[i]
		if event.Internal(l.AccountID) {
			continue
		}
		if err := r.Add(Cell{Category: int64(c), Currency: l.Currency, SpentMinor: -l.AmountMinor, Entries: 1}); err != nil {
			return err
		}
	}
	return nil
}

// Add adds what was spent on a category.
func (r *Row) Add(c Cell) error {
	i, found := slices.BinarySearchFunc(r.Cells, c, byPlace)
	if !found {
		r.Cells = slices.Insert(r.Cells, i, Cell{Category: c.Category, Currency: strings.Clone(c.Currency)})
	}
	at := &r.Cells[i]
	spent, fits := money.Add(at.SpentMinor, c.SpentMinor)
	if !fits {
		return fmt.Errorf("the sum of category %d in %s does not fit into 64 bits", c.Category, c.Currency)
	}
	at.SpentMinor = spent
	at.Entries += c.Entries
	return nil
}

func byPlace(a, b Cell) int {
	return cmp.Or(cmp.Compare(a.Category, b.Category), strings.Compare(a.Currency, b.Currency))
}
