package projection

import (
	"fmt"
	"hash/maphash"
	"runtime"
	"testing"
	"weak"

	"github.com/refold/refold/schemas/codec"
)

func TestIndex(t *testing.T) {
	x := newIndex[int](maphash.MakeSeed())
	key := func(i int) []byte { return fmt.Append(nil, "key ", i) }
	const rows = 5000
	for i := range rows {
		// Two of three have a hash that many others have.
		hash := func(i int) uint64 {
			if i%3 == 0 {
				return x.hash(key(i))
			}
			return uint64(i % 5)
		}
		if got := x.find(hash(i), key(i)); got != nil {
			t.Fatalf("%d is found before it is there", i)
		}
		x.put(hash(i), &slot[int]{key: string(key(i)), row: i})
		for _, j := range []int{0, i / 2, i} {
			if got := x.find(hash(j), key(j)); got == nil || got.row != j {
				t.Fatalf("with %d rows: got %+v, want %d", i+1, got, j)
			}
		}
	}
	if x.n != rows {
		t.Errorf("got %d rows, want %d", x.n, rows)
	}
}

// What was shrunk twice is not kept by anything.
func TestShrinkLetsGoOfRows(t *testing.T) {
	row, err := codec.RowOf[fuzzedOne]()
	if err != nil {
		t.Fatal(err)
	}
	f := newFolder(nil, row, nothing{}, []Handler[fuzzedOne]{})
	s, err := f.rows.row([]byte("a"), false)
	if err != nil {
		t.Fatal(err)
	}
	f.rows.touch(s)
	kept := weak.Make(s)
	if err := f.Changed(func(_, _ []byte) error { return nil }); err != nil {
		t.Fatal(err)
	}
	f.Shrink()
	if runtime.GC(); kept.Value() == nil {
		t.Error("a row is let go of at once")
	}
	f.Shrink()
	if runtime.GC(); kept.Value() != nil {
		t.Error("a row is kept that nobody uses")
	}
	runtime.KeepAlive(f)
}
