// Package balances is a read model: the accounts of every customer, and the statement of every account.
//
// A customer's accounts are rows of the customer; the lines of a statement are rows of the account, in
// order of the time at which they occurred. The sums of its months are rows beside it, so that the balance that
// follows from everything that occurred up to any time is found without adding up all lines; what is open, holds
// and transfers on their way, is one more. The bank's own accounts have no rows here.
//
// A line says what the balance was when it was recorded. Where entries are recorded later than they occurred, the
// balance that follows from what occurred is another one.
package balances

import (
	"embed"
	"encoding/binary"
	"fmt"
	"strings"
	"time"

	"github.com/refold/refold/projections/projection"
	"github.com/refold/refold/schemas/event"
	"github.com/refold/refold/streams/topic"
)

// Name is the projection's name.
const Name = "balances"

// Row is an account, one line of a statement, the sum of a month, or what is open of an account.
type Row struct {
	Account *Account `avro:"account"`
	Line    *Line    `avro:"line"`
	Month   *Month   `avro:"month"`
	Open    *Open    `avro:"open"`
}

// Account is an account and its posted balance, in minor units of its currency.
type Account struct {
	AccountID           string       `avro:"account_id"`
	Kind                string       `avro:"kind"`
	Currency            string       `avro:"currency"`
	BalanceMinor        int64        `avro:"balance_minor"`
	OverdraftLimitMinor int64        `avro:"overdraft_limit_minor"`
	OpenedAt            event.Micros `avro:"opened_at"`
	Entries             int64        `avro:"entries"`
	Status              string       `avro:"status"`            // one of the constants below
	HeldMinor           int64        `avro:"held_minor"`        // by open holds: it is not available
	DailyLimitMinor     int64        `avro:"daily_limit_minor"` // 0: no limit
	TimeZone            string       `avro:"time_zone"`         // of the limit's days; "": UTC
}

// What an account takes: everything; credits only; nothing any more.
const (
	StatusOpen   = "OPEN"
	StatusFrozen = "FROZEN"
	StatusClosed = "CLOSED"
)

// Line is one entry as one account sees it, in minor units of the account's currency, credit positive. When it
// occurred and its sequence number stand in its key.
type Line struct {
	EventID           string       `avro:"event_id"`
	Kind              string       `avro:"kind"`
	RecordedAt        event.Micros `avro:"recorded_at"`
	AmountMinor       int64        `avro:"amount_minor"`
	BalanceAfterMinor int64        `avro:"balance_after_minor"`
	Merchant          string       `avro:"merchant"`
	Category          string       `avro:"category"`
	Reverses          string       `avro:"reverses"` // the entry that a reversal takes back
}

// opened are the fields of AccountOpened that are read.
type opened struct {
	CustomerID          string       `avro:"customer_id"`
	OccurredAt          event.Micros `avro:"occurred_at"`
	AccountID           string       `avro:"account_id"`
	Kind                string       `avro:"kind"`
	Currency            string       `avro:"currency"`
	OverdraftLimitMinor int64        `avro:"overdraft_limit_minor"`
	DailyLimitMinor     int64        `avro:"daily_limit_minor"`
	TimeZone            string       `avro:"time_zone"`
}

// changed are the fields of AccountFrozen, AccountUnfrozen and AccountClosed that are read.
type changed struct {
	CustomerID string `avro:"customer_id"`
	AccountID  string `avro:"account_id"`
}

// posted are the fields of EntryPosted that are read.
type posted struct {
	EventID    string       `avro:"event_id"`
	OccurredAt event.Micros `avro:"occurred_at"`
	RecordedAt event.Micros `avro:"recorded_at"`
	Kind       string       `avro:"kind"`
	Merchant   string       `avro:"merchant"`
	Category   string       `avro:"category"`
	Reverses   string       `avro:"reverses"`
	Legs       []leg        `avro:"legs"`
	// HoldAmountMinor was held on the account of the first leg until this entry; 0 where nothing was.
	HoldAmountMinor int64  `avro:"hold_amount_minor"`
	HoldID          string `avro:"hold_id"`
	// Of a transfer to another partition; see event.EntryPosted.
	Counterparty string `avro:"counterparty"`
	TransferID   string `avro:"transfer_id"`
}

type leg struct {
	AccountID         string `avro:"account_id"`
	AmountMinor       int64  `avro:"amount_minor"`
	BalanceAfterMinor int64  `avro:"balance_after_minor"`
	AccountSeq        int64  `avro:"account_seq"`
}

//go:embed testdata/*.txt
var scripts embed.FS

// Definition returns the projection.
func Definition() *projection.Definition {
	return projection.MustDefine(Name, 6,
		projection.On(topic.Transactions, event.NameAccountOpened, openedKeys, foldOpened),
		projection.On(topic.Transactions, event.NameEntryPosted, postedKeys, foldPosted),
		projection.On(topic.Transactions, event.NameHoldPlaced, placedKeys, foldPlaced),
		projection.On(topic.Transactions, event.NameHoldReleased, endedKeys, foldEnded),
		projection.On(topic.Transactions, event.NameHoldExpired, endedKeys, foldEnded),
		projection.On(topic.Transactions, event.NameTransferSettled, settledKeys, foldSettled),
		projection.On(topic.Transactions, event.NameAccountFrozen, changedKeys, foldStatus(StatusFrozen)),
		projection.On(topic.Transactions, event.NameAccountUnfrozen, changedKeys, foldStatus(StatusOpen)),
		projection.On(topic.Transactions, event.NameAccountClosed, changedKeys, foldStatus(StatusClosed)),
	).Recorded(scripts)
}

// AccountKey returns the row of an account.
func AccountKey(account string) projection.Key {
	customer, _ := event.Home(account)
	return projection.Key{Partition: customer, Sort: account}
}

// LineSort returns the sort key of a statement line; lines are in order of time, then of sequence. The
// sort key of a time with sequence 0 comes before every line of that time.
func LineSort(occurred time.Time, seq int64) string {
	return lineSort(event.MicrosOf(occurred), seq)
}

func lineSort(occurred event.Micros, seq int64) string {
	// The sign bit is flipped, so that times before 1970 come first.
	b := binary.BigEndian.AppendUint64(make([]byte, 0, 16), uint64(occurred)^1<<63)
	return string(binary.BigEndian.AppendUint64(b, uint64(seq)))
}

// OccurredAt returns when a line occurred and its sequence number, by its sort key.
func OccurredAt(sort string) (at time.Time, seq int64) {
	b := append([]byte(sort), make([]byte, 16)...) // a key that is too short is no line's
	return event.Micros(binary.BigEndian.Uint64(b) ^ 1<<63).Time(), int64(binary.BigEndian.Uint64(b[8:]))
}

func openedKeys(e *opened, k *projection.Keys) { k.Add(e.CustomerID, e.AccountID) }

func foldOpened(_ projection.Key, r *Row, e *opened, _ projection.Meta) error {
	r.Account = &Account{
		AccountID: strings.Clone(e.AccountID), Kind: strings.Clone(e.Kind), Currency: strings.Clone(e.Currency),
		OverdraftLimitMinor: e.OverdraftLimitMinor, OpenedAt: e.OccurredAt,
		Status: StatusOpen, DailyLimitMinor: e.DailyLimitMinor, TimeZone: strings.Clone(e.TimeZone),
	}
	return nil
}

func changedKeys(e *changed, k *projection.Keys) { k.Add(e.CustomerID, e.AccountID) }

// foldStatus returns the fold of an event after which an account has a status.
func foldStatus(status string) func(projection.Key, *Row, *changed, projection.Meta) error {
	return func(_ projection.Key, r *Row, e *changed, _ projection.Meta) error {
		if r.Account == nil {
			return fmt.Errorf("account %s was never opened", e.AccountID)
		}
		r.Account.Status = status
		return nil
	}
}

func postedKeys(e *posted, k *projection.Keys) {
	for i := range e.Legs {
		l := &e.Legs[i]
		customer, ok := event.Home(l.AccountID)
		if !ok {
			continue
		}
		k.Add(customer, l.AccountID)
		k.AddFresh(l.AccountID, lineSort(e.OccurredAt, l.AccountSeq))
		k.Add(l.AccountID+monthsSuffix, month(e.OccurredAt.Time()))
		if i == 0 && (e.HoldID != "" || e.sends() || e.returns()) {
			k.Add(l.AccountID+openSuffix, "")
		}
	}
}

func foldPosted(k projection.Key, r *Row, e *posted, _ projection.Meta) error {
	if _, ok := strings.CutSuffix(k.Partition, openSuffix); ok {
		return r.foldOpen(e)
	}
	account, sums := strings.CutSuffix(k.Partition, monthsSuffix)
	for i := range e.Legs {
		switch l := &e.Legs[i]; {
		case k.Sort == l.AccountID:
			if r.Account == nil {
				return fmt.Errorf("account %s was never opened", l.AccountID)
			}
			r.Account.BalanceMinor = l.BalanceAfterMinor
			r.Account.Entries = l.AccountSeq
			if i == 0 {
				r.Account.HeldMinor -= e.HoldAmountMinor
			}
		case account != l.AccountID:
		case sums:
			if err := r.add(l.AmountMinor); err != nil {
				return err
			}
		case k.Sort == lineSort(e.OccurredAt, l.AccountSeq):
			r.Line = line(e, l)
		}
	}
	return nil
}

func line(e *posted, l *leg) *Line {
	return &Line{
		EventID: strings.Clone(e.EventID), Kind: strings.Clone(e.Kind), RecordedAt: e.RecordedAt,
		AmountMinor: l.AmountMinor, BalanceAfterMinor: l.BalanceAfterMinor,
		Merchant: strings.Clone(e.Merchant), Category: strings.Clone(e.Category),
		Reverses: strings.Clone(e.Reverses),
	}
}
