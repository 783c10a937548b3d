// Package alerts decides what customers are told of their accounts, and asks for it: every alert is an effect,
// published once, whatever is replayed. Imported history alerts nobody.
//
// A row is one account: what kind it is, and what was asked for. The rules and their thresholds:
//
//	large purchase    a card purchase of 500.00 or more
//	low balance       the balance of a current or savings account falls below 100.00, once a day (UTC) at most
//	payment returned  a transfer comes back that its receiver did not take
//
// The thresholds are in the account's own currency; where that has no decimals they are 50,000 and 10,000.
package alerts

import (
	"embed"
	"strings"
	"time"

	"github.com/refold/refold/projections/projection"
	"github.com/refold/refold/schemas/event"
	"github.com/refold/refold/schemas/money"
	"github.com/refold/refold/streams/topic"
)

// Name is the projection's name.
const Name = "alerts"

// Thresholds in minor units of a currency with two decimals or fewer.
const (
	largePurchase = 50_000
	lowBalance    = 10_000
)

// Row is one account.
type Row struct {
	Kind string `avro:"kind"` // "" where the account was opened before the projection's first event
	// LowDay is the day on which the balance was last found to be low, in days since 1970-01-01.
	LowDay int64 `avro:"low_day"`
	// How many alerts the account had.
	LargePurchases   int64 `avro:"large_purchases"`
	LowBalances      int64 `avro:"low_balances"`
	PaymentsReturned int64 `avro:"payments_returned"`
}

// opened are the fields of AccountOpened that are read.
type opened struct {
	AccountID string `avro:"account_id"`
	Kind      string `avro:"kind"`
}

// posted are the fields of EntryPosted that are read.
type posted struct {
	OccurredAt event.Micros `avro:"occurred_at"`
	Kind       string       `avro:"kind"`
	Legs       []leg        `avro:"legs"`
}

type leg struct {
	AccountID         string `avro:"account_id"`
	AmountMinor       int64  `avro:"amount_minor"`
	Currency          string `avro:"currency"`
	BalanceAfterMinor int64  `avro:"balance_after_minor"`
}

//go:embed testdata/*.txt
var scripts embed.FS

// Definition returns the projection.
func Definition() *projection.Definition {
	return projection.MustDefine(Name, 1,
		projection.On(topic.Transactions, event.NameAccountOpened, openedKeys, foldOpened),
		projection.Emit(topic.Transactions, event.NameEntryPosted, postedKeys, foldPosted).
			To(topic.Notifications, event.NameNotificationRequested),
	).Recorded(scripts)
}

// Key returns the row of an account.
func Key(account string) projection.Key {
	customer, _ := event.Home(account)
	return projection.Key{Partition: customer, Sort: account}
}

func openedKeys(e *opened, k *projection.Keys) { add(e.AccountID, k) }

func postedKeys(e *posted, k *projection.Keys) {
	for i := range e.Legs {
		add(e.Legs[i].AccountID, k)
	}
}

func add(account string, k *projection.Keys) {
	if customer, ok := event.Home(account); ok {
		k.Add(customer, account)
	}
}

func foldOpened(_ projection.Key, r *Row, e *opened, _ projection.Meta) error {
	r.Kind = strings.Clone(e.Kind)
	return nil
}

func foldPosted(k projection.Key, r *Row, e *posted, _ projection.Meta, out *projection.Effects) error {
	for i := range e.Legs {
		if l := &e.Legs[i]; l.AccountID == k.Sort {
			r.alert(k, e, l, out)
		}
	}
	return nil
}

// alert applies the rules to one leg of an entry on the account.
func (r *Row) alert(k projection.Key, e *posted, l *leg, out *projection.Effects) {
	tell := func(kind string, threshold int64, count *int64) {
		*count++
		out.Add(topic.Notifications, &event.NotificationRequested{
			Effect: event.Effect{CustomerID: k.Partition}, Kind: kind, AccountID: k.Sort,
			AmountMinor: l.AmountMinor, BalanceMinor: l.BalanceAfterMinor, ThresholdMinor: threshold, Currency: l.Currency,
		})
	}
	scale := scaleOf(l.Currency)
	if large := largePurchase * scale; e.Kind == event.EntryCardPurchase && l.AmountMinor <= -large {
		tell(event.NotifyLargePurchase, large, &r.LargePurchases)
	}
	if e.Kind == event.EntryTransferReturn && l.AmountMinor > 0 {
		tell(event.NotifyPaymentReturned, 0, &r.PaymentsReturned)
	}
	low, day := lowBalance*scale, dayOf(e.OccurredAt)
	fell := l.BalanceAfterMinor < low && l.BalanceAfterMinor-l.AmountMinor >= low
	if fell && r.holdsMoney() && day > r.LowDay {
		r.LowDay = day
		tell(event.NotifyLowBalance, low, &r.LowBalances)
	}
}

// holdsMoney tells whether a low balance of the account means anything: that of a card is what is owed.
func (r *Row) holdsMoney() bool {
	return r.Kind == event.AccountCurrent || r.Kind == event.AccountSavings
}

// scaleOf returns by what the thresholds are multiplied, because a currency has more than two decimals.
func scaleOf(currency string) int64 {
	scale := int64(1)
	exponent, _ := money.Exponent(currency)
	for range exponent - 2 {
		scale *= 10
	}
	return scale
}

func dayOf(at event.Micros) int64 { return int64(at) / (24 * time.Hour).Microseconds() }
