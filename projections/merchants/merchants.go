// Package merchants is a read model: with whom a customer spends, by month.
//
// A row is one customer and month (UTC). Purchases are spent; refunds come off, and what was reversed, in the
// month of its reversal, where they name the merchant. Entries that name none are left out.
package merchants

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
const Name = "merchants"

// Row is what one customer spent in one month, ordered by merchant and currency.
type Row struct {
	Merchants []Merchant `avro:"merchants"`
}

// Merchant is what was spent with one merchant in one currency, in minor units.
type Merchant struct {
	Name       string `avro:"name"`
	Currency   string `avro:"currency"`
	SpentMinor int64  `avro:"spent_minor"`
	Entries    int64  `avro:"entries"`
}

// posted are the fields of EntryPosted that are read.
type posted struct {
	OccurredAt   event.Micros `avro:"occurred_at"`
	Kind         string       `avro:"kind"`
	ReversesKind string       `avro:"reverses_kind"`
	Merchant     string       `avro:"merchant"`
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
	if _, spends, _ := category.Spent(e.Kind, e.ReversesKind, "", ""); !spends || e.Merchant == "" {
		return
	}
	for i := range e.Legs {
		if customer, ok := event.Home(e.Legs[i].AccountID); ok {
			k.Add(customer, MonthOf(e.OccurredAt.Time()))
		}
	}
}

func fold(k projection.Key, r *Row, e *posted, _ projection.Meta) error {
	for i := range e.Legs {
		l := &e.Legs[i]
		if customer, ok := event.Home(l.AccountID); !ok || customer != k.Partition {
			continue
		}
		if err := r.Add(Merchant{Name: e.Merchant, Currency: l.Currency, SpentMinor: -l.AmountMinor, Entries: 1}); err != nil {
			return err
		}
	}
	return nil
}

// Add adds what was spent with a merchant, whose name it clones.
func (r *Row) Add(m Merchant) error {
	i, found := slices.BinarySearchFunc(r.Merchants, m, byName)
	if !found {
		r.Merchants = slices.Insert(r.Merchants, i, Merchant{Name: strings.Clone(m.Name), Currency: strings.Clone(m.Currency)})
	}
	at := &r.Merchants[i]
	spent, fits := money.Add(at.SpentMinor, m.SpentMinor)
	if !fits {
		return fmt.Errorf("the sum of %s in %s does not fit into 64 bits", m.Name, m.Currency)
	}
	at.SpentMinor = spent
	at.Entries += m.Entries
	return nil
}

func byName(a, b Merchant) int {
	return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.Currency, b.Currency))
}
