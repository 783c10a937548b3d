package codec_test

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/twmb/avro"

	"github.com/refold/refold/schemas/codec"
	"github.com/refold/refold/schemas/event"
)

// decodeFields writes an event with a schema of its own and reads it as this build does.
func decodeFields(t *testing.T, schema string, fields map[string]any) event.EntryPosted {
	t.Helper()
	local := new(codec.Local)
	id, err := local.Register(t.Context(), "", schema)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]any{
		"event_id": "e", "partition_seq": int64(1), "recorded_at": time.Unix(1, 0), "prev_hash": [32]byte{}, "customer_id": "alice",
		"idempotency_key": "k", "command_hash": [16]byte{}, "principal": "p", "occurred_at": time.Unix(1, 0), "category": "food",
		"legs": []map[string]any{
			{"account_id": "a", "amount_minor": int64(-1), "currency": "EUR", "balance_after_minor": int64(0), "account_seq": int64(1)},
			{"account_id": "b", "amount_minor": int64(1), "currency": "EUR", "balance_after_minor": int64(0), "account_seq": int64(1)},
		},
	}
	for k, v := range fields {
		all[k] = v
	}
	value := binary.BigEndian.AppendUint32([]byte{0}, uint32(id))
	if value, err = avro.MustParse(schema).AppendEncode(value, all); err != nil {
		t.Fatal(err)
	}
	s, err := codec.New(local).Lookup(t.Context(), value)
	if err != nil {
		t.Fatal(err)
	}
	var got event.EntryPosted
	if err := s.Decode(value, &got); err != nil {
		t.Fatal(err)
	}
	return got
}
