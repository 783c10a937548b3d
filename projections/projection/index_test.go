package projection

import (
	"fmt"
	"hash/maphash"
	"testing"
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
