// Package creditscore is a read model: how a customer handles money, as a score of 300 to 850.
//
// A row is one customer: what the measures of model.go need of the last twelve months, and the changes of
// the score. Nothing is kept of single entries. The score is a sum of points that the tables of a model
// give, all in integers; it follows from the row and a day alone.
//
// Days and months are UTC. Balances count as they stand at the end of a day, so that the order of a day's
// entries says nothing, and they count for every day on which they stand, also where nothing happens. An
// entry that occurred before the last day of the row counts on that day: time does not run back. Accounts
// are taken together by currency, so that moving money between one's own accounts is neither income nor
// spending, and the currency with the most entries is scored.
package creditscore

import (
	"embed"
	"fmt"
	"strings"

	"github.com/refold/refold/projections/projection"
	"github.com/refold/refold/schemas/event"
	"github.com/refold/refold/streams/topic"
)

// Name is the projection's name.
const Name = "creditscore"

// Row is one customer.
type Row struct {
	Opened int64  `avro:"opened"` // the first day, in days since 1970-01-01, as all days
	Day    int64  `avro:"day"`    // up to which the row was folded; it has not ended yet
	Books  []Book `avro:"books"`  // in the order in which currencies came
	// Refusals are of the last twelve months, oldest first.
	Refusals []Refused `avro:"refusals"`
	// Changes are the last changes of the score, oldest first, at most one a day.
	Changes []Change `avro:"changes"`
	// ChangedBy is the id of the event of the last change.
	ChangedBy string `avro:"changed_by"`
}

// Refused is how many payments were refused for want of funds in a month, numbered as by monthOf.
type Refused struct {
	Month int64 `avro:"month"`
	Count int64 `avro:"count"`
}

// Change is a score as it was at the end of a day, and the offset of the event that made it so.
type Change struct {
	Day    int64 `avro:"day"`
	Score  int64 `avro:"score"`
	Offset int64 `avro:"offset"`
}

// maxChanges bounds the changes that a row holds.
const maxChanges = 16

// opened are the fields of AccountOpened that are read.
type opened struct {
	EventID             string       `avro:"event_id"`
	CustomerID          string       `avro:"customer_id"`
	OccurredAt          event.Micros `avro:"occurred_at"`
	Currency            string       `avro:"currency"`
	OverdraftLimitMinor int64        `avro:"overdraft_limit_minor"`
}

// posted are the fields of EntryPosted that are read.
type posted struct {
	EventID      string       `avro:"event_id"`
	OccurredAt   event.Micros `avro:"occurred_at"`
	Kind         string       `avro:"kind"`
	Category     string       `avro:"category"`
	ReversesKind string       `avro:"reverses_kind"`
	Legs         []leg        `avro:"legs"`
}

type leg struct {
	AccountID   string `avro:"account_id"`
	AmountMinor int64  `avro:"amount_minor"`
	Currency    string `avro:"currency"`
}

// rejected are the fields of CommandRejected that are read.
type rejected struct {
	EventID    string       `avro:"event_id"`
	CustomerID string       `avro:"customer_id"`
	OccurredAt event.Micros `avro:"occurred_at"`
	Reason     string       `avro:"reason"`
}

// insufficientFunds is the reason of a payment that was refused for want of funds.
const insufficientFunds = "INSUFFICIENT_FUNDS"

//go:embed testdata/*.txt
var scripts embed.FS

// Definition returns the projection with the model in force.
func Definition() *projection.Definition {
	models := Models()
	return models[len(models)-1].definition()
}

func (m Model) definition() *projection.Definition {
	return projection.MustDefine(Name, m.Version,
		projection.On(topic.Transactions, event.NameAccountOpened, openedKeys, m.foldOpened),
		projection.On(topic.Transactions, event.NameEntryPosted, postedKeys, m.foldPosted),
		projection.On(topic.Transactions, event.NameCommandRejected, rejectedKeys, m.foldRejected),
	).Recorded(scripts)
}

// Key returns the row of a customer.
func Key(customer string) projection.Key { return projection.Key{Partition: customer} }

func openedKeys(e *opened, k *projection.Keys) { k.Add(e.CustomerID, "") }

func (m Model) foldOpened(_ projection.Key, r *Row, e *opened, at projection.Meta) error {
	if len(r.Books) == 0 {
		r.Opened = dayOf(e.OccurredAt)
		r.Day = r.Opened
	}
	r.advance(dayOf(e.OccurredAt))
	if err := r.open(e.Currency).limit(e.OverdraftLimitMinor); err != nil {
		return err
	}
	m.note(r, e.EventID, at.Offset)
	return nil
}

func postedKeys(e *posted, k *projection.Keys) {
	for _, l := range e.Legs {
		if customer, ok := event.Home(l.AccountID); ok {
			k.Add(customer, "")
		}
	}
}

func (m Model) foldPosted(k projection.Key, r *Row, e *posted, at projection.Meta) error {
	r.advance(dayOf(e.OccurredAt))
	for i := range e.Legs {
		if e.sums(k.Partition, i) {
			if err := r.post(k.Partition, e, e.Legs[i].Currency); err != nil {
				return err
			}
		}
	}
	m.note(r, e.EventID, at.Offset)
	return nil
}

// sums tells whether a leg is the customer's first one in its currency, with which all of them are summed.
func (e *posted) sums(customer string, i int) bool {
	if !ours(customer, &e.Legs[i]) {
		return false
	}
	for j := range i {
		if ours(customer, &e.Legs[j]) && e.Legs[j].Currency == e.Legs[i].Currency {
			return false
		}
	}
	return true
}

func ours(customer string, l *leg) bool {
	home, ok := event.Home(l.AccountID)
	return ok && home == customer
}

// post books what an entry is to the customer in one currency.
func (r *Row) post(customer string, e *posted, currency string) error {
	b := r.book(currency)
	if b == nil {
		return fmt.Errorf("customer %s has no account in %s", customer, currency)
	}
	amount := int64(0)
	for i := range e.Legs {
		if l := &e.Legs[i]; l.Currency == currency && ours(customer, l) {
			var err error
			if amount, err = add(amount, l.AmountMinor); err != nil {
				return err
			}
		}
	}
	return b.post(e, amount)
}

func rejectedKeys(e *rejected, k *projection.Keys) {
	if e.Reason == insufficientFunds {
		k.Add(e.CustomerID, "")
	}
}

func (m Model) foldRejected(_ projection.Key, r *Row, e *rejected, at projection.Meta) error {
	r.advance(dayOf(e.OccurredAt))
	month := monthOf(r.Day)
	if n := len(r.Refusals); n > 0 && r.Refusals[n-1].Month == month {
		r.Refusals[n-1].Count++
	} else {
		r.Refusals = append(r.Refusals, Refused{Month: month, Count: 1})
	}
	for r.Refusals[0].Month <= month-months {
		r.Refusals = r.Refusals[1:]
	}
	m.note(r, e.EventID, at.Offset)
	return nil
}

// note keeps the score of the row's day, where it is another than before.
func (m Model) note(r *Row, eventID string, offset int64) {
	score := m.score(r.measure())
	n := len(r.Changes)
	if n > 0 && r.Changes[n-1].Score == score {
		return
	}
	r.ChangedBy = strings.Clone(eventID)
	change := Change{Day: r.Day, Score: score, Offset: offset}
	switch {
	case n > 0 && r.Changes[n-1].Day == r.Day:
		r.Changes[n-1] = change
	case n == maxChanges:
		copy(r.Changes, r.Changes[1:])
		r.Changes[n-1] = change
	default:
		r.Changes = append(r.Changes, change)
	}
}
