// Package alerts decides what customers are told of their accounts, and asks for it: every alert is an effect,
// published once, whatever is replayed. Imported history alerts nobody.
//
// A row is one customer: what they want to be told, what is known of their accounts and of what they usually spend, and
// what was asked for. Preferences come from another topic than entries. An entry is judged by those that were folded
// before it, and the order in which they were is kept (ops/decisions/012-several-sources.md): who replays tells the
// same. Preferences of a customer in whose partition they do not stand are nobody's.
//
// What the rules are is in rules.go.
package alerts

import (
	"embed"
	"slices"
	"strings"

	"github.com/refold/refold/projections/projection"
	"github.com/refold/refold/schemas/event"
	"github.com/refold/refold/streams/topic"
)

// Name is the projection's name.
const Name = "alerts"

// Row is one customer.
type Row struct {
	Revision int64  `avro:"revision"` // of the preferences, 0 where none were set
	Rules    []Rule `avro:"rules"`    // as in PreferencesSet
	Currency string `avro:"currency"` // that of the customer's first account; "" before
	// Accounts are in the order in which they were opened, Habits in that of their categories and currencies.
	Accounts []Account `avro:"accounts"`
	Habits   []Habit   `avro:"habits"`
	// Alerts are how many there were of each kind, in the order of their kinds.
	Alerts []Count `avro:"alerts"`
}

// Rule is what the customer wants of one kind of alert.
type Rule struct {
	Kind  string `avro:"kind"`
	Off   bool   `avro:"off"`
	Limit int64  `avro:"limit"`
}

// Account is an account that holds money.
type Account struct {
	ID string `avro:"id"`
	// LowDay is the day on which its balance was last found to be low, in days since 1970-01-01.
	LowDay int64 `avro:"low_day"`
}

// Count is how many alerts of a kind there were, imported history included.
type Count struct {
	Kind  string `avro:"kind"`
	Times int64  `avro:"times"`
}

// opened are the fields of AccountOpened that are read.
type opened struct {
	AccountID string `avro:"account_id"`
	Kind      string `avro:"kind"`
	Currency  string `avro:"currency"`
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
	AccountID         string `avro:"account_id"`
	AmountMinor       int64  `avro:"amount_minor"`
	Currency          string `avro:"currency"`
	BalanceAfterMinor int64  `avro:"balance_after_minor"`
}

// set are the fields of PreferencesSet that are read.
type set struct {
	CustomerID string `avro:"customer_id"`
	Revision   int64  `avro:"revision"`
	Rules      []Rule `avro:"rules"`
}

//go:embed testdata/*.txt
var scripts embed.FS

// Definition returns the projection.
func Definition() *projection.Definition {
	return projection.MustDefine(Name, 2,
		projection.On(topic.Transactions, event.NameAccountOpened, openedKeys, foldOpened),
		projection.Emit(topic.Transactions, event.NameEntryPosted, postedKeys, foldPosted).
			To(topic.Notifications, event.NameNotificationRequested),
		projection.On(topic.Profiles, event.NamePreferencesSet, setKeys, foldSet),
	).Recorded(scripts)
}

// Key returns the row of a customer.
func Key(customer string) projection.Key { return projection.Key{Partition: customer} }

func openedKeys(e *opened, k *projection.Keys) { add(e.AccountID, k) }

func postedKeys(e *posted, k *projection.Keys) {
	for i := range e.Legs {
		add(e.Legs[i].AccountID, k)
	}
}

func add(account string, k *projection.Keys) {
	if customer, ok := event.Home(account); ok {
		k.Add(customer, "")
	}
}

func setKeys(e *set, k *projection.Keys) { k.Add(e.CustomerID, "") }

// foldOpened keeps an account. The balance of a card is what is owed: that it is low means nothing.
func foldOpened(_ projection.Key, r *Row, e *opened, _ projection.Meta) error {
	if r.Currency == "" {
		r.Currency = strings.Clone(e.Currency)
	}
	if e.Kind == event.AccountCurrent || e.Kind == event.AccountSavings {
		r.Accounts = append(r.Accounts, Account{ID: strings.Clone(e.AccountID)})
	}
	return nil
}

// foldSet keeps preferences that count: those that were meant to replace what is there.
func foldSet(_ projection.Key, r *Row, e *set, _ projection.Meta) error {
	if e.Revision != r.Revision+1 {
		return nil
	}
	r.Revision, r.Rules = e.Revision, make([]Rule, len(e.Rules))
	for i, rule := range e.Rules {
		r.Rules[i] = Rule{Kind: strings.Clone(rule.Kind), Off: rule.Off, Limit: rule.Limit}
	}
	return nil
}

func foldPosted(k projection.Key, r *Row, e *posted, _ projection.Meta, out *projection.Effects) error {
	for i := range e.Legs {
		l := &e.Legs[i]
		if customer, ok := event.Home(l.AccountID); !ok || customer != k.Partition {
			continue
		}
		if err := r.judge(e, l, teller{r, k.Partition, l, out}); err != nil {
			return err
		}
	}
	return nil
}

// teller asks for the alerts of one leg.
type teller struct {
	row      *Row
	customer string
	leg      *leg
	out      *projection.Effects
}

// tell asks for an alert.
func (t teller) tell(kind string, threshold int64, category string) {
	i, found := slices.BinarySearchFunc(t.row.Alerts, kind, func(c Count, kind string) int { return strings.Compare(c.Kind, kind) })
	if !found {
		t.row.Alerts = slices.Insert(t.row.Alerts, i, Count{Kind: kind})
	}
	t.row.Alerts[i].Times++
	t.out.Add(topic.Notifications, &event.NotificationRequested{
		Effect: event.Effect{CustomerID: t.customer}, Kind: kind, AccountID: t.leg.AccountID,
		AmountMinor: t.leg.AmountMinor, BalanceMinor: t.leg.BalanceAfterMinor, ThresholdMinor: threshold,
		Currency: t.leg.Currency, Category: category,
	})
}
