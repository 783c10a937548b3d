// Package spending is a read model: what a customer spent, by month and category.
//
// A row is one customer and month (UTC). Purchases, withdrawals and fees are spent; refunds come off, and
// what was reversed, in the month of its reversal.
package spending

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/refold/refold/projections/projection"
	"github.com/refold/refold/schemas/event"
	"github.com/refold/refold/schemas/money"
	"github.com/refold/refold/streams/topic"
)

// Name is the projection's name.
const Name = "spending"

// Row is what one customer spent in one month, ordered by category and currency.
type Row struct {
	Lines []Line `avro:"lines"`
}

// Line is what was spent on one category in one currency, in minor units.
type Line struct {
	Category   string `avro:"category"`
	Currency   string `avro:"currency"`
	SpentMinor int64  `avro:"spent_minor"`
	Entries    int64  `avro:"entries"`
}

// posted are the fields of EntryPosted that are read.
type posted struct {
	OccurredAt event.Micros `avro:"occurred_at"`
	Kind       string       `avro:"kind"`
	Category   string       `avro:"category"`
	Legs       []leg        `avro:"legs"`
	// ReversesKind is the kind of the entry that a reversal takes back.
	ReversesKind string `avro:"reverses_kind"`
}

type leg struct {
	AccountID   string `avro:"account_id"`
	AmountMinor int64  `avro:"amount_minor"`
	Currency    string `avro:"currency"`
}

// Definition returns the projection.
func Definition() *projection.Definition {
	return projection.MustDefine(Name, 3, projection.On(topic.Transactions, event.NameEntryPosted, keys, fold))
}

func keys(e *posted, k *projection.Keys) {
	if category(e) == "" {
		return
	}
	for _, l := range e.Legs {
		if customer, _, _ := strings.Cut(l.AccountID, "."); !strings.HasPrefix(customer, "@") {
			k.Add(customer, Month(e.OccurredAt.Time()))
		}
	}
}

// Month returns the month of a time, in UTC, such as 2014-01. Years have four digits.
func Month(t time.Time) string {
	year, month, _ := t.UTC().Date()
	return string([]byte{
		byte('0' + year/1000%10), byte('0' + year/100%10), byte('0' + year/10%10), byte('0' + year%10), '-',
		byte('0' + month/10), byte('0' + month%10),
	})
}

// category returns what an entry was spent on, "" where it was not spending at all.
func category(e *posted) string {
	kind, fallback := e.Kind, ""
	if kind == event.EntryReversal {
		kind = e.ReversesKind
	}
	switch kind {
	case event.EntryCardPurchase, event.EntryRefund:
		fallback = "uncategorised"
	case event.EntryWithdrawal:
		fallback = "withdrawals"
	case event.EntryFee:
		fallback = "fees"
	default:
		return ""
	}
	return cmp.Or(e.Category, fallback)
}

func fold(k projection.Key, r *Row, e *posted, _ projection.Meta) error {
	for _, l := range e.Legs {
		if customer, ok := event.Home(l.AccountID); !ok || customer != k.Partition {
			continue
		}
		if err := r.spend(category(e), l); err != nil {
			return err
		}
	}
	return nil
}

func (r *Row) spend(category string, l leg) error {
	i, found := slices.BinarySearchFunc(r.Lines, Line{Category: category, Currency: l.Currency}, byName)
	if !found {
		r.Lines = slices.Insert(r.Lines, i, Line{Category: strings.Clone(category), Currency: strings.Clone(l.Currency)})
	}
	spent, ok := money.Add(r.Lines[i].SpentMinor, -l.AmountMinor)
	if !ok {
		return fmt.Errorf("the sum of %s in %s does not fit into 64 bits", category, l.Currency)
	}
	r.Lines[i].SpentMinor = spent
	r.Lines[i].Entries++
	return nil
}

func byName(a, b Line) int {
	return cmp.Or(strings.Compare(a.Category, b.Category), strings.Compare(a.Currency, b.Currency))
}
