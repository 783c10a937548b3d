package ledger

import (
	"errors"

	"github.com/refold/refold/projections/projection"
	"github.com/refold/refold/schemas/event"
)

// A transfer to another partition is three records in two partitions. What is kept of it here is what is
// needed to go on with it after a crash: that it is on its way, in an index by time and as a sum on the
// account; and up to where the messages of other partitions have become records.

// Inbox is how far the messages of other partitions have become records.
type Inbox struct {
	Next int64 `avro:"next"` // offset of the first that has not
}

// InboxKey is the key of a partition's inbox.
func InboxKey() projection.Key { return projection.Key{Partition: inboxPartition} }

func inboxKeys(next int64, k *projection.Keys) {
	if next > 0 {
		k.Add(inboxPartition, "")
	}
}

// received moves the inbox on. A message may come again from further back: it changes nothing.
func (r *Row) received(next int64) {
	if r.Inbox == nil {
		r.Inbox = &Inbox{}
	}
	r.Inbox.Next = max(r.Inbox.Next, next)
}

// sends reports whether the entry sends a transfer to another partition, and returns whether it gives one back.
func (e *posted) sends() bool {
	return e.Kind == event.EntryTransfer && e.Counterparty != "" && e.TransferID == "" && len(e.Legs) > 0
}

func (e *posted) returns() bool { return e.Kind == event.EntryTransferReturn && len(e.Legs) > 0 }

// item is the transfer in the index of those that are on their way.
func (e *posted) item() Item {
	if e.returns() {
		return Item{AccountID: e.Legs[0].AccountID, ID: e.TransferID, At: e.SentAt}
	}
	return Item{AccountID: e.Legs[0].AccountID, ID: e.EventID, At: e.RecordedAt}
}

// inTransit is what the entry adds to what is on its way from the account of its first leg.
func (e *posted) inTransit() int64 {
	if e.sends() || e.returns() {
		return -e.Legs[0].AmountMinor
	}
	return 0
}

func (e *posted) transferKeys(k *projection.Keys) {
	if e.sends() || e.returns() {
		e.item().keys(PendingTransfers, k)
	}
	inboxKeys(e.InboxNext, k)
}

// transit folds an entry into a row of the index of transfers.
func (r *Row) transit(sort string, e *posted) error {
	if e.returns() {
		return r.index().remove(sort, e.item())
	}
	r.index().add(sort, e.item())
	return nil
}

var errNotInTransit = errors.New("has not sent what ends")

func (a *Account) inTransit(amount int64) error {
	a.InTransitMinor += amount
	if a.InTransitMinor < 0 {
		return errNotInTransit
	}
	return nil
}

type settled struct {
	Envelope
	AccountID   string       `avro:"account_id"`
	TransferID  string       `avro:"transfer_id"`
	AmountMinor int64        `avro:"amount_minor"`
	SentAt      event.Micros `avro:"sent_at"`
	InboxNext   int64        `avro:"inbox_next"`
}

func (e *settled) item() Item { return Item{AccountID: e.AccountID, ID: e.TransferID, At: e.SentAt} }

func settledKeys(e *settled, k *projection.Keys) {
	e.keys(k)
	k.Add(e.AccountID, "")
	e.item().keys(PendingTransfers, k)
	inboxKeys(e.InboxNext, k)
}

func foldSettled(k projection.Key, r *Row, e *settled, m projection.Meta) error {
	switch k.Partition {
	case headPartition:
		return r.follow(&e.Envelope, m)
	case e.CustomerID:
		return r.answer(&e.Envelope, m)
	case PendingTransfers:
		return r.index().remove(k.Sort, e.item())
	case inboxPartition:
		r.received(e.InboxNext)
		return nil
	}
	if r.Account == nil {
		return refusedOf(e.AccountID, errNotOpened)
	}
	return refusedOf(e.AccountID, r.Account.inTransit(-e.AmountMinor))
}
