package codec_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/refold/refold/schemas/codec"
	"github.com/refold/refold/schemas/event"
)

func purchase() *event.EntryPosted {
	return &event.EntryPosted{
		Envelope: event.Envelope{EventID: "e", CustomerID: "alice", OccurredAt: event.MicrosOf(time.Date(2024, 1, 2, 3, 4, 5, 6000, time.UTC))},
		Kind:     event.EntryCardPurchase, Category: "food",
		Legs: []event.Leg{{AccountID: "alice.card", AmountMinor: -5, Currency: "EUR"}, {AccountID: "@world.0.EUR", AmountMinor: 5, Currency: "EUR"}},
	}
}

func encode(t *testing.T, c *codec.Codec, v any) []byte {
	t.Helper()
	e, err := c.Encoder(t.Context(), "topic", event.NameEntryPosted)
	if err != nil {
		t.Fatal(err)
	}
	b, err := e.Append(nil, v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestRoundTrip(t *testing.T) {
	c := codec.New(new(codec.Local))
	value := encode(t, c, purchase())
	s, err := c.Lookup(t.Context(), value)
	if err != nil {
		t.Fatal(err)
	}
	if s.Name != event.NameEntryPosted {
		t.Errorf("got name %s", s.Name)
	}
	var got event.EntryPosted
	if err := s.Decode(value, &got); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(&got, purchase()) {
		t.Errorf("got %+v, want %+v", got, purchase())
	}
}

func TestViewReadsSomeFieldsWithoutCopies(t *testing.T) {
	c := codec.New(new(codec.Local))
	value := encode(t, c, purchase())
	s, err := c.Lookup(t.Context(), value)
	if err != nil {
		t.Fatal(err)
	}
	var view struct {
		Category string `avro:"category"`
		Legs     []struct {
			AmountMinor int64 `avro:"amount_minor"`
		} `avro:"legs"`
	}
	if err := s.View(value, &view); err != nil {
		t.Fatal(err)
	}
	if view.Category != "food" || len(view.Legs) != 2 || view.Legs[1].AmountMinor != 5 {
		t.Errorf("got %+v", view)
	}
	if n := testing.AllocsPerRun(100, func() { _ = s.View(value, &view) }); n != 0 {
		t.Errorf("a view makes %v allocations, want 0", n)
	}
}

// An event of an older schema gets the defaults of the fields that it lacks, one of a newer schema loses
// those that this build does not know.
func TestOtherWriters(t *testing.T) {
	present := event.Schema(event.NameEntryPosted)
	older := strings.Replace(present, `,
    {"name": "refund_of", "type": "string", "default": "", "doc": "event_id of the purchase that a refund gives back, where it is known."}`, "", 1)
	newer := strings.Replace(present, `{"name": "merchant",`, `{"name": "colour", "type": "string", "default": ""}, {"name": "merchant",`, 1)
	unknown := strings.Replace(present, `"SALARY", `, `"SALARY", "BONUS", `, 1)
	for name, c := range map[string]struct {
		schema string
		fields map[string]any
		want   string
	}{
		"older":        {older, map[string]any{"kind": "FEE"}, "FEE"},
		"newer":        {newer, map[string]any{"kind": "FEE", "colour": "red"}, "FEE"},
		"unknown enum": {unknown, map[string]any{"kind": "BONUS"}, "OTHER"},
	} {
		if c.schema == present {
			t.Fatalf("%s: the schema is the present one", name)
		}
		got := decodeFields(t, c.schema, c.fields)
		if got.Kind != c.want || got.Category != "food" || got.RefundOf != "" || len(got.Legs) != 2 {
			t.Errorf("%s: got %+v", name, got)
		}
	}
}

func TestNotWireFormat(t *testing.T) {
	c := codec.New(new(codec.Local))
	for _, value := range [][]byte{nil, {0}, {0, 0, 0, 0}, {1, 0, 0, 0, 1, 2}} {
		if _, err := c.Lookup(t.Context(), value); !errors.Is(err, codec.ErrNotWireFormat) {
			t.Errorf("%x: got %v", value, err)
		}
	}
	if _, err := c.Lookup(t.Context(), []byte{0, 0, 0, 0, 9}); err == nil || errors.Is(err, codec.ErrNotWireFormat) {
		t.Errorf("an unknown id: got %v", err)
	}
}

func TestDamagedValues(t *testing.T) {
	c := codec.New(new(codec.Local))
	value := encode(t, c, purchase())
	s, err := c.Lookup(t.Context(), value)
	if err != nil {
		t.Fatal(err)
	}
	var got event.EntryPosted
	for n := 5; n < len(value); n++ {
		if err := s.Decode(value[:n], &got); err == nil {
			t.Errorf("a value cut to %d of %d bytes was decoded", n, len(value))
		}
	}
	if err := s.Decode(append(value, 0), &got); err == nil {
		t.Error("a value with a byte too many was decoded")
	}
}

func TestJSON(t *testing.T) {
	c := codec.New(new(codec.Local))
	name, fields, err := c.JSON(t.Context(), encode(t, c, purchase()))
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		OccurredAt string `json:"occurred_at"`
		PrevHash   string `json:"prev_hash"`
		Legs       []map[string]any
	}
	if err := json.Unmarshal(fields, &got); err != nil {
		t.Fatal(err)
	}
	if name != event.NameEntryPosted || got.OccurredAt != "2024-01-02T03:04:05.000006Z" || got.PrevHash != strings.Repeat("0", 64) || got.Legs[0]["account_id"] != "alice.card" {
		t.Errorf("got %s %s", name, fields)
	}
}

func TestRowRefusesWhatHasNoOrder(t *testing.T) {
	type nested struct {
		M []map[string]int64 `avro:"m"`
	}
	if _, err := codec.RowOf[nested](); err == nil || !strings.Contains(err.Error(), "M") {
		t.Errorf("a map: got %v", err)
	}
	if _, err := codec.RowOf[struct {
		F float64 `avro:"f"`
	}](); err == nil {
		t.Error("a float was taken")
	}
}

func BenchmarkView(b *testing.B) {
	c := codec.New(new(codec.Local))
	e, err := c.Encoder(b.Context(), "topic", event.NameEntryPosted)
	if err != nil {
		b.Fatal(err)
	}
	value, err := e.Append(nil, purchase())
	if err != nil {
		b.Fatal(err)
	}
	s, err := c.Lookup(b.Context(), value)
	if err != nil {
		b.Fatal(err)
	}
	var view struct {
		CustomerID string `avro:"customer_id"`
		Category   string `avro:"category"`
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := s.View(value, &view); err != nil {
			b.Fatal(err)
		}
	}
}
