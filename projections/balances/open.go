package balances

import (
	"fmt"
	"slices"
	"strings"

	"github.com/refold/refold/projections/projection"
	"github.com/refold/refold/schemas/event"
)

// Open is what has begun on an account and has not ended, each in the order in which it was recorded.
type Open struct {
	Holds     []Hold     `avro:"holds"`
	Transfers []Transfer `avro:"transfers"`
}

// Hold is an amount that is not available until the hold ends.
type Hold struct {
	ID          string       `avro:"id"`
	AmountMinor int64        `avro:"amount_minor"`
	OccurredAt  event.Micros `avro:"occurred_at"`
	ExpiresAt   event.Micros `avro:"expires_at"`
	Merchant    string       `avro:"merchant"`
	Category    string       `avro:"category"`
}

// Transfer is on its way to another partition: it has left the account, and may come back.
type Transfer struct {
	ID           string       `avro:"id"`
	AmountMinor  int64        `avro:"amount_minor"`
	OccurredAt   event.Micros `avro:"occurred_at"`
	Counterparty string       `avro:"counterparty"`
}

// openSuffix makes the partition key of what is open of an account, of which no account has the name.
const openSuffix = "/open"

// OpenKey returns the row of what is open of an account.
func OpenKey(account string) projection.Key { return projection.Key{Partition: account + openSuffix} }

// placed are the fields of HoldPlaced that are read.
type placed struct {
	EventID     string       `avro:"event_id"`
	CustomerID  string       `avro:"customer_id"`
	OccurredAt  event.Micros `avro:"occurred_at"`
	AccountID   string       `avro:"account_id"`
	AmountMinor int64        `avro:"amount_minor"`
	ExpiresAt   event.Micros `avro:"expires_at"`
	Merchant    string       `avro:"merchant"`
	Category    string       `avro:"category"`
}

// ended are the fields of HoldReleased and HoldExpired that are read.
type ended struct {
	CustomerID  string `avro:"customer_id"`
	AccountID   string `avro:"account_id"`
	HoldID      string `avro:"hold_id"`
	AmountMinor int64  `avro:"amount_minor"`
}

// settled are the fields of TransferSettled that are read.
type settled struct {
	AccountID  string `avro:"account_id"`
	TransferID string `avro:"transfer_id"`
}

func placedKeys(e *placed, k *projection.Keys) {
	k.Add(e.CustomerID, e.AccountID)
	k.Add(e.AccountID+openSuffix, "")
}

func foldPlaced(k projection.Key, r *Row, e *placed, _ projection.Meta) error {
	if k.Sort == e.AccountID {
		return r.hold(e.AccountID, e.AmountMinor)
	}
	o := r.open()
	o.Holds = append(o.Holds, Hold{
		ID: strings.Clone(e.EventID), AmountMinor: e.AmountMinor, OccurredAt: e.OccurredAt, ExpiresAt: e.ExpiresAt,
		Merchant: strings.Clone(e.Merchant), Category: strings.Clone(e.Category),
	})
	return nil
}

func endedKeys(e *ended, k *projection.Keys) {
	k.Add(e.CustomerID, e.AccountID)
	k.Add(e.AccountID+openSuffix, "")
}

func foldEnded(k projection.Key, r *Row, e *ended, _ projection.Meta) error {
	if k.Sort == e.AccountID {
		return r.hold(e.AccountID, -e.AmountMinor)
	}
	r.open().endHold(e.HoldID)
	return nil
}

// hold adds to what is held of an account, or takes from it.
func (r *Row) hold(account string, amount int64) error {
	if r.Account == nil {
		return fmt.Errorf("account %s was never opened", account)
	}
	r.Account.HeldMinor += amount
	return nil
}

func settledKeys(e *settled, k *projection.Keys) { k.Add(e.AccountID+openSuffix, "") }

func foldSettled(_ projection.Key, r *Row, e *settled, _ projection.Meta) error {
	r.open().endTransfer(e.TransferID)
	return nil
}

// sends tells whether an entry sends a transfer to another partition, returns whether it gives one back.
func (e *posted) sends() bool {
	return e.Kind == event.EntryTransfer && e.Counterparty != "" && e.TransferID == ""
}

func (e *posted) returns() bool { return e.Kind == event.EntryTransferReturn }

// foldOpen folds an entry into what is open of the account of its first leg.
func (r *Row) foldOpen(e *posted) error {
	o := r.open()
	if e.HoldID != "" {
		o.endHold(e.HoldID)
	}
	switch {
	case e.sends():
		o.Transfers = append(o.Transfers, Transfer{
			ID: strings.Clone(e.EventID), AmountMinor: -e.Legs[0].AmountMinor, OccurredAt: e.OccurredAt, Counterparty: strings.Clone(e.Counterparty),
		})
	case e.returns():
		o.endTransfer(e.TransferID)
	}
	return nil
}

func (r *Row) open() *Open {
	if r.Open == nil {
		r.Open = &Open{}
	}
	return r.Open
}

func (o *Open) endHold(id string) {
	o.Holds = slices.DeleteFunc(o.Holds, func(h Hold) bool { return h.ID == id })
}

func (o *Open) endTransfer(id string) {
	o.Transfers = slices.DeleteFunc(o.Transfers, func(t Transfer) bool { return t.ID == id })
}
