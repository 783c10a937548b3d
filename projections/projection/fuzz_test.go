package projection

import (
	"bytes"
	"reflect"
	"strings"
	"testing"

	"github.com/refold/refold/schemas/codec"
)

// fuzzed is a row of every kind of field.
type fuzzed struct {
	Text   string      `avro:"text"`
	Number int64       `avro:"number"`
	Is     bool        `avro:"is"`
	Bytes  []byte      `avro:"bytes"`
	Hash   [4]byte     `avro:"hash"`
	Maybe  *fuzzedOne  `avro:"maybe"`
	Many   []fuzzedOne `avro:"many"`
}

type fuzzedOne struct {
	Text string `avro:"text"`
}

// FuzzStoredRow reads any bytes as a stored row: what is one is the same row when it is stored again.
func FuzzStoredRow(f *testing.F) {
	row, err := codec.RowOf[fuzzed]()
	if err != nil {
		f.Fatal(err)
	}
	for _, r := range []fuzzed{{}, {Text: "x", Number: -5, Is: true, Bytes: []byte{1}, Maybe: &fuzzedOne{"y"}, Many: []fuzzedOne{{"a"}, {"b"}}}} {
		stored, err := appendRow(nil, row, &slot[fuzzed]{row: r, offset: 7})
		if err != nil {
			f.Fatal(err)
		}
		f.Add(stored)
	}
	f.Fuzz(func(t *testing.T, stored []byte) {
		var r fuzzed
		offset, err := Decode(row, stored, &r)
		if err != nil {
			return
		}
		if offset < 0 {
			t.Fatalf("got offset %d", offset)
		}
		again, err := appendRow(nil, row, &slot[fuzzed]{row: r, offset: offset})
		if err != nil {
			t.Fatal(err)
		}
		var same fuzzed
		if at, err := Decode(row, again, &same); err != nil || at != offset || !reflect.DeepEqual(same, r) {
			t.Errorf("got %+v at %d, %v, want %+v at %d", same, at, err, r, offset)
		}
		if _, err := text(row, stored); err != nil {
			t.Errorf("print: %v", err)
		}
	})
}

// FuzzKey stores keys: they come back, and are in the order of their parts.
func FuzzKey(f *testing.F) {
	f.Add("c1.main", "", "c1.main", "hx")
	f.Add("a", "b", "a\x01", "")
	f.Fuzz(func(t *testing.T, partition, sort, other, otherSort string) {
		if strings.ContainsRune(partition+other, 0) {
			t.Skip("a partition key holds no zero byte")
		}
		k, o := Key{partition, sort}, Key{other, otherSort}
		if got := DecodeKey(string(k.Encode())); got != k {
			t.Errorf("got %+v, want %+v", got, k)
		}
		want := strings.Compare(partition, other)
		if want == 0 {
			want = strings.Compare(sort, otherSort)
		}
		if got := bytes.Compare(k.Encode(), o.Encode()); got != want {
			t.Errorf("%+v and %+v: got order %d, want %d", k, o, got, want)
		}
	})
}
