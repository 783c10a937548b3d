// Package inbox is a read model: what each customer was told, and whether they have read it.
//
// A row is one notification of one customer. Rows stand in the order of time, the newest first, by when that occurred
// which the customer was told of. A notification that comes twice is one; it is read from the first time on that
// somebody said so.
package inbox

import (
	"embed"
	"fmt"
	"strings"

	"github.com/refold/refold/projections/projection"
	"github.com/refold/refold/schemas/event"
	"github.com/refold/refold/streams/topic"
)

// Name is the projection's name.
const Name = "inbox"

// Row is one notification.
type Row struct {
	Kind           string       `avro:"kind"` // as in NotificationRequested; "" where it was read, and never told
	AccountID      string       `avro:"account_id"`
	AmountMinor    int64        `avro:"amount_minor"`
	BalanceMinor   int64        `avro:"balance_minor"`
	ThresholdMinor int64        `avro:"threshold_minor"`
	Currency       string       `avro:"currency"`
	OccurredAt     event.Micros `avro:"occurred_at"`
	ReadAt         event.Micros `avro:"read_at"` // 0: unread
	Category       string       `avro:"category"`
}

// Told tells whether the customer was told it, and not just said to have read it.
func (r *Row) Told() bool { return r.Kind != "" }

// requested are the fields of NotificationRequested that are read.
type requested struct {
	EffectID       string       `avro:"effect_id"`
	CustomerID     string       `avro:"customer_id"`
	OccurredAt     event.Micros `avro:"occurred_at"`
	Kind           string       `avro:"kind"`
	AccountID      string       `avro:"account_id"`
	AmountMinor    int64        `avro:"amount_minor"`
	BalanceMinor   int64        `avro:"balance_minor"`
	ThresholdMinor int64        `avro:"threshold_minor"`
	Currency       string       `avro:"currency"`
	Category       string       `avro:"category"`
}

// read are the fields of NotificationRead that are read.
type read struct {
	CustomerID     string       `avro:"customer_id"`
	NotificationID string       `avro:"notification_id"`
	NotifiedAt     event.Micros `avro:"notified_at"`
	RecordedAt     event.Micros `avro:"recorded_at"`
}

//go:embed testdata/*.txt
var scripts embed.FS

// Definition returns the projection.
func Definition() *projection.Definition {
	return projection.MustDefine(Name, 2,
		projection.On(topic.Notifications, event.NameNotificationRequested, requestedKeys, foldRequested),
		projection.On(topic.Notifications, event.NameNotificationRead, readKeys, foldRead),
	).Recorded(scripts)
}

// idAt is where the id begins in a sort key.
const idAt = 17

// sort returns the sort key of a notification: its time, so that the newest comes first, and its id.
func sort(at event.Micros, id string) string {
	return fmt.Sprintf("%016x.%s", ^(uint64(at) ^ 1<<63), id)
}

// IDOf returns the id of a notification, by the sort key of its row.
func IDOf(sort string) string { return sort[min(len(sort), idAt):] }

func requestedKeys(e *requested, k *projection.Keys) {
	k.Add(e.CustomerID, sort(e.OccurredAt, e.EffectID))
}

func readKeys(e *read, k *projection.Keys) {
	k.Add(e.CustomerID, sort(e.NotifiedAt, e.NotificationID))
}

func foldRequested(_ projection.Key, r *Row, e *requested, _ projection.Meta) error {
	*r = Row{
		Kind: strings.Clone(e.Kind), AccountID: strings.Clone(e.AccountID), AmountMinor: e.AmountMinor, BalanceMinor: e.BalanceMinor,
		ThresholdMinor: e.ThresholdMinor, Currency: strings.Clone(e.Currency), OccurredAt: e.OccurredAt, ReadAt: r.ReadAt,
		Category: strings.Clone(e.Category),
	}
	return nil
}

func foldRead(_ projection.Key, r *Row, e *read, _ projection.Meta) error {
	if r.ReadAt == 0 {
		r.ReadAt = e.RecordedAt
	}
	return nil
}
