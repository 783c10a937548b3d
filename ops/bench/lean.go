package main

import (
	"context"
	"encoding/binary"
	"fmt"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/refold/refold/schemas/codec"
	"github.com/refold/refold/schemas/event"
	"github.com/refold/refold/streams/topic"
)

// leanSchema is an entry with nothing but what spending and trail read: about 90 bytes, which are what other
// systems are measured with.
const leanSchema = `{"type": "record", "name": "EntryPosted", "namespace": "bank", "fields": [
	{"name": "partition_seq", "type": "long"},
	{"name": "recorded_at", "type": {"type": "long", "logicalType": "timestamp-micros"}},
	{"name": "customer_id", "type": "string"},
	{"name": "occurred_at", "type": {"type": "long", "logicalType": "timestamp-micros"}},
	{"name": "kind", "type": {"type": "enum", "name": "EntryKind", "symbols": ["OTHER", "CARD_PURCHASE"], "default": "OTHER"}},
	{"name": "legs", "type": {"type": "array", "items": {"type": "record", "name": "Leg", "fields": [
		{"name": "account_id", "type": "string"},
		{"name": "amount_minor", "type": "long"},
		{"name": "currency", "type": "string"}]}}},
	{"name": "category", "type": "string"}]}`

// lean encodes purchases by the lean schema.
type lean struct{ id int }

// leanID is the id of the lean schema: the one after those of encoders.
const leanID = 3

// leanOf registers the lean schema, in a registry that has the schemas of encoders.
func leanOf(ctx context.Context, r codec.Registry) error {
	id, err := r.Register(ctx, codec.Subject(topic.Transactions, event.NameEntryPosted), leanSchema)
	if err == nil && id != leanID {
		err = fmt.Errorf("its id is %d", id)
	}
	if err != nil {
		return fmt.Errorf("register the lean schema: %w", err)
	}
	return nil
}

// record makes the next record of its partition. Its chain is not that of a journal.
func (l *lean) record(e *event.EntryPosted) *kgo.Record {
	v := binary.BigEndian.AppendUint32([]byte{0}, uint32(l.id))
	v = binary.AppendVarint(v, e.PartitionSeq)
	v = binary.AppendVarint(v, int64(e.RecordedAt))
	v = appendText(v, e.CustomerID)
	v = binary.AppendVarint(v, int64(e.OccurredAt))
	v = binary.AppendVarint(v, 1) // CARD_PURCHASE
	v = binary.AppendVarint(v, int64(len(e.Legs)))
	for i := range e.Legs {
		v = appendText(v, e.Legs[i].AccountID)
		v = binary.AppendVarint(v, e.Legs[i].AmountMinor)
		v = appendText(v, e.Legs[i].Currency)
	}
	v = binary.AppendVarint(v, 0) // no more legs
	v = appendText(v, e.Category)
	return &kgo.Record{Topic: topic.Transactions, Partition: topic.Of(e.CustomerID, topic.DefaultPartitions), Key: []byte(e.CustomerID), Value: v}
}

func appendText(dst []byte, s string) []byte {
	return append(binary.AppendVarint(dst, int64(len(s))), s...)
}
