// Package ledger is the state that the journal of bank.transactions decides against: accounts, what was
// answered to every idempotency key, and the head of each partition's hash chain.
//
// It is a projection like any other, but silent: it has no effects and nobody queries it. Its fold doubts
// every record: one that does not follow from the records before it, in its sequence, its hash, its
// balances or its key, is refused with ErrBroken, and the partition stands still rather than go on from it.
//
// It doubts what it reads. A record that its saved rows hold already is not read again: that it was changed
// since is found by `refold verify`, and by who folds from the beginning.
package ledger

import (
	"errors"
	"fmt"
	"strings"

	"github.com/refold/refold/projections/projection"
	"github.com/refold/refold/schemas/event"
	"github.com/refold/refold/streams/topic"
)

// ErrBroken is wrapped where a record does not follow from the ones before it: it was written by somebody
// else, or changed, or one is missing. Nothing is decided behind it; `refold verify` names it.
var ErrBroken = errors.New("the record does not follow from the ones before it")

const (
	name    = "ledger"
	version = 8
)

// Row is one row: exactly one of its parts is set, by the kind of its key, and of an entry two: what was
// answered, and what became of it.
type Row struct {
	Account *Account `avro:"account"`
	Outcome *Outcome `avro:"outcome"`
	Head    *Head    `avro:"head"`
	Hold    *Hold    `avro:"hold"`
	Index   *Index   `avro:"index"`
	Entry   *Entry   `avro:"entry"`
	Inbox   *Inbox   `avro:"inbox"`
}

// Account is an account of a customer, or an internal one, which exists from its first leg on.
type Account struct {
	Currency            string `avro:"currency"`
	Kind                string `avro:"kind"` // "" for internal accounts
	OverdraftLimitMinor int64  `avro:"overdraft_limit_minor"`
	BalanceMinor        int64  `avro:"balance_minor"`
	Seq                 int64  `avro:"seq"` // of its last leg, counted from 1
	Frozen              bool   `avro:"frozen"`
	Closed              bool   `avro:"closed"` // for ever
	// Holds are the open ones, in the order in which they were placed, and HeldMinor is their sum.
	Holds     []OpenHold `avro:"holds"`
	HeldMinor int64      `avro:"held_minor"`
	// InTransitMinor is the sum of the transfers to other partitions that have not ended: it may come back.
	InTransitMinor int64 `avro:"in_transit_minor"`
	// DailyLimitMinor is what may be taken in a day of TimeZone; 0: no limit. SpentMinor counts to LimitDay,
	// in days since 1970-01-01.
	DailyLimitMinor int64  `avro:"daily_limit_minor"`
	TimeZone        string `avro:"time_zone"`
	LimitDay        int64  `avro:"limit_day"`
	SpentMinor      int64  `avro:"spent_minor"`
}

// Outcome is what was recorded for an idempotency key. Every answer to the key is made from it.
type Outcome struct {
	Value  []byte `avro:"value"` // the record's stored value
	Offset int64  `avro:"offset"`
}

// Head is the last record of a partition.
type Head struct {
	PartitionSeq int64        `avro:"partition_seq"`
	RecordedAt   event.Micros `avro:"recorded_at"`
	Hash         event.Hash   `avro:"hash"` // SHA-256 of its stored value
	Offset       int64        `avro:"offset"`
}

// Definition returns the projection.
func Definition() *projection.Definition {
	return projection.MustDefine(name, version,
		projection.On(topic.Transactions, event.NameAccountOpened, openedKeys, foldOpened),
		projection.On(topic.Transactions, event.NameEntryPosted, postedKeys, foldPosted),
		projection.On(topic.Transactions, event.NameCommandRejected, rejectedKeys, foldRejected),
		projection.On(topic.Transactions, event.NameHoldPlaced, placedKeys, foldPlaced),
		projection.On(topic.Transactions, event.NameHoldReleased, endedKeys, foldEnded(Released)),
		projection.On(topic.Transactions, event.NameHoldExpired, endedKeys, foldEnded(Expired)),
		projection.On(topic.Transactions, event.NameAccountFrozen, changedKeys, foldChanged((*Account).freeze)),
		projection.On(topic.Transactions, event.NameAccountUnfrozen, changedKeys, foldChanged((*Account).unfreeze)),
		projection.On(topic.Transactions, event.NameAccountClosed, changedKeys, foldChanged((*Account).close)),
		projection.On(topic.Transactions, event.NameTransferSettled, settledKeys, foldSettled),
		projection.On(topic.Transactions, event.NameRewardRedemptionRequested, changedKeys, foldChanged((*Account).redeem)),
	)
}

// The kinds of keys. An account id holds a dot or begins with an at sign and holds a dot, a customer id does
// neither.
const (
	headPartition  = "@journal"
	inboxPartition = "@inbox"
	holdPrefix     = "h"
	eventPrefix    = "e"
)

// HeadKey is the key of a partition's head.
func HeadKey() projection.Key { return projection.Key{Partition: headPartition} }

// AccountKey is the key of an account.
func AccountKey(id string) projection.Key { return projection.Key{Partition: id} }

// OutcomeKey is the key of what was recorded for a customer's idempotency key: of an entry, its EntryKey.
func OutcomeKey(customer, key string) projection.Key {
	return EntryKey(customer, event.ID(customer, key))
}

// HoldKey is the key of a hold of an account.
func HoldKey(account, hold string) projection.Key {
	return projection.Key{Partition: account, Sort: holdPrefix + hold}
}

// EntryKey is the key of an entry that was posted under a customer.
func EntryKey(customer, id string) projection.Key {
	return projection.Key{Partition: customer, Sort: eventPrefix + id}
}

// Internal reports whether an account is one of the bank's own, which needs no opening and has no floor.
func Internal(id string) bool { return strings.HasPrefix(id, "@") }

// Envelope is what the fold reads of every record.
type Envelope struct {
	EventID        string            `avro:"event_id"`
	PartitionSeq   int64             `avro:"partition_seq"`
	RecordedAt     event.Micros      `avro:"recorded_at"`
	PrevHash       event.Hash        `avro:"prev_hash"`
	CustomerID     string            `avro:"customer_id"`
	IdempotencyKey string            `avro:"idempotency_key"`
	CommandHash    event.CommandHash `avro:"command_hash"`
}

// keys adds the head before everything else, so that a record out of the chain changes no row.
func (e *Envelope) keys(k *projection.Keys) {
	k.Add(headPartition, "")
	k.Add(e.CustomerID, eventPrefix+e.EventID)
}

type opened struct {
	Envelope
	AccountID           string `avro:"account_id"`
	Kind                string `avro:"kind"`
	Currency            string `avro:"currency"`
	OverdraftLimitMinor int64  `avro:"overdraft_limit_minor"`
	DailyLimitMinor     int64  `avro:"daily_limit_minor"`
	TimeZone            string `avro:"time_zone"`
}

func openedKeys(e *opened, k *projection.Keys) {
	e.keys(k)
	k.Add(e.AccountID, "")
}

func foldOpened(k projection.Key, r *Row, e *opened, m projection.Meta) error {
	switch {
	case k.Partition == headPartition:
		return r.follow(&e.Envelope, m)
	case k.Sort != "":
		return r.answer(&e.Envelope, m)
	case r.Account != nil:
		return fmt.Errorf("%w: account %s exists already", ErrBroken, e.AccountID)
	}
	r.Account = &Account{
		Currency:            strings.Clone(e.Currency),
		Kind:                strings.Clone(e.Kind),
		OverdraftLimitMinor: e.OverdraftLimitMinor,
		DailyLimitMinor:     e.DailyLimitMinor,
		TimeZone:            strings.Clone(e.TimeZone),
	}
	return nil
}

type posted struct {
	Envelope
	Kind            string       `avro:"kind"`
	Legs            []event.Leg  `avro:"legs"`
	RefundOf        string       `avro:"refund_of"`
	Reverses        string       `avro:"reverses"`
	HoldID          string       `avro:"hold_id"`
	HoldAmountMinor int64        `avro:"hold_amount_minor"`
	HoldExpiresAt   event.Micros `avro:"hold_expires_at"`
	Counterparty    string       `avro:"counterparty"`
	TransferID      string       `avro:"transfer_id"`
	SentAt          event.Micros `avro:"sent_at"`
	InboxNext       int64        `avro:"inbox_next"`
}

// captured returns the hold that the entry ends; its id is "" where there is none.
func (e *posted) captured() held {
	if e.HoldID == "" || len(e.Legs) == 0 {
		return held{}
	}
	first := &e.Legs[0]
	return held{account: first.AccountID, id: e.HoldID, amount: e.HoldAmountMinor, taken: -first.AmountMinor, expiresAt: e.HoldExpiresAt}
}

func postedKeys(e *posted, k *projection.Keys) {
	e.keys(k)
	e.entryKeys(k)
	// The hold comes before the legs: its amount is available to them.
	if h := e.captured(); h.id != "" {
		h.keys(k)
	}
	e.transferKeys(k)
	for i := range e.Legs {
		k.Add(e.Legs[i].AccountID, "")
	}
}

func foldPosted(k projection.Key, r *Row, e *posted, m projection.Meta) error {
	h := e.captured()
	switch {
	case k.Partition == headPartition:
		if err := balanced(e.Legs); err != nil {
			return err
		}
		return r.follow(&e.Envelope, m)
	case k.Partition == e.CustomerID && strings.TrimPrefix(k.Sort, eventPrefix) == e.EventID:
		r.Entry = &Entry{}
		return r.answer(&e.Envelope, m)
	case k.Partition == e.CustomerID:
		return r.takeBack(strings.TrimPrefix(k.Sort, eventPrefix), e)
	case k.Partition == PendingTransfers:
		return r.transit(k.Sort, e)
	case k.Partition == inboxPartition:
		r.received(e.InboxNext)
		return nil
	case k.Sort != "" || k.Partition == DueHolds:
		return r.end(k, h, Captured)
	case h.id != "" && k.Partition == h.account:
		if err := r.end(k, h, Captured); err != nil {
			return err
		}
	}
	for i := range e.Legs {
		if e.Legs[i].AccountID != k.Partition {
			continue
		}
		if err := r.post(&e.Legs[i]); err != nil {
			return err
		}
		if i == 0 {
			if err := refusedOf(k.Partition, r.Account.inTransit(e.inTransit())); err != nil {
				return err
			}
		}
	}
	return nil
}

type rejected struct {
	Envelope
	InboxNext int64 `avro:"inbox_next"`
}

func rejectedKeys(e *rejected, k *projection.Keys) {
	e.keys(k)
	inboxKeys(e.InboxNext, k)
}

func foldRejected(k projection.Key, r *Row, e *rejected, m projection.Meta) error {
	switch k.Partition {
	case headPartition:
		return r.follow(&e.Envelope, m)
	case inboxPartition:
		r.received(e.InboxNext)
		return nil
	}
	return r.answer(&e.Envelope, m)
}
