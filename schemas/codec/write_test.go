package codec

import (
	"bytes"
	"testing"
	"testing/quick"

	"github.com/refold/refold/schemas/event"
)

// kept is a row of everything that rows are made of.
type kept struct {
	Number int64        `avro:"number"`
	At     event.Micros `avro:"at"`
	Flag   bool         `avro:"flag"`
	Text   string       `avro:"text"`
	Bytes  []byte       `avro:"bytes"`
	Hash   event.Hash   `avro:"hash"`
	Items  []item       `avro:"items"`
	Words  []string     `avro:"words"`
	Maybe  *item        `avro:"maybe"`
	Within item         `avro:"within"`
}

type item struct {
	Name    string  `avro:"name"`
	Amount  int64   `avro:"amount"`
	Amounts []int64 `avro:"amounts"`
	Fixed   [3]byte `avro:"fixed"`
}

// Rows are written as the library writes them.
func TestWrites(t *testing.T) {
	c, err := RowOf[kept]()
	if err != nil || c.writes == nil {
		t.Fatal(c.writes, err)
	}
	same := func(r kept) bool {
		want, err := c.schema.AppendEncode([]byte("before"), &r)
		if err != nil {
			t.Fatal(err)
		}
		got, err := c.Append([]byte("before"), &r)
		return err == nil && bytes.Equal(got, want)
	}
	if !same(kept{}) {
		t.Error("an empty row differs")
	}
	if err := quick.Check(same, &quick.Config{MaxCount: 500}); err != nil {
		t.Error(err)
	}
}

// What the plans do not cover is written by the library.
func TestUnplannedRows(t *testing.T) {
	type unplanned struct {
		Small int32 `avro:"small"`
	}
	c, err := RowOf[unplanned]()
	if err != nil || c.writes != nil {
		t.Fatal(c.writes, err)
	}
	if b, err := c.Append(nil, &unplanned{-2}); err != nil || !bytes.Equal(b, []byte{3}) {
		t.Errorf("got %x, %v", b, err)
	}
}
