package pile

import (
	"os"
	"testing"
)

// More claims than the buffers hold come back, each thing once, in the order of the log, and leave no file.
func TestPileGivesBackWhatWasAdded(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	var p Pile
	const things = 60_000
	for _, offset := range []int64{3, 1, 2} {
		for n := range int64(things) {
			c := Claim{About: About("key", "c1", string(rune(n))+"x"), Partition: 4, Offset: offset, Kind: 2, Currency: [3]byte{'E', 'U', 'R'}, Amount: -n}
			if err := p.Add(c); err != nil {
				t.Fatal(err)
			}
		}
	}
	if p.dir == "" {
		t.Fatal("nothing was written: the test is too small")
	}
	seen := make(map[[16]byte]bool)
	err := p.Each(func(same []Claim) {
		if seen[same[0].About] || len(same)%3 != 0 {
			t.Fatalf("got %v, want three claims, once", same)
		}
		seen[same[0].About] = true
		for n, c := range same {
			if c.Offset != int64(n*3/len(same)+1) || c.Partition != 4 || c.Kind != 2 || c.Currency != [3]byte{'E', 'U', 'R'} || c.Amount > 0 {
				t.Fatalf("got %+v at place %d", c, n)
			}
		}
	})
	if err != nil || p.Close() != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(os.Getenv("TMPDIR")); err != nil || len(left) > 0 {
		t.Errorf("got %v, %v, want nothing left", left, err)
	}
}
