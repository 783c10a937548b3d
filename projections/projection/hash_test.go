package projection_test

import (
	"testing"
	"testing/fstest"

	"github.com/refold/refold/projections/projection"
)

// A definition is another one with other rows in its scripts, or other events, and the same with other
// comments or line ends.
func TestHashIsOverScripts(t *testing.T) {
	d := &projection.Definition{Name: "p", RowHash: "rows", Hash: "rows"}
	of := func(text string) string {
		return d.Recorded(fstest.MapFS{"testdata/a.txt": {Data: []byte(text)}, "testdata/other": {}}).Hash
	}
	first := of("# what it shows\nEvent {}\n---\nrow 1\n")
	if got := of("# said better\r\nEvent {}\r\n---\r\nrow 1\r\n"); got != first {
		t.Errorf("another comment: got %s, want %s", got, first)
	}
	for _, text := range []string{"Event {}\n---\nrow 2\n", "Event {\"a\": 1}\n---\nrow 1\n"} {
		if of(text) == first {
			t.Errorf("%q has the hash of another script", text)
		}
	}
	if other := (&projection.Definition{Name: "p", RowHash: "other"}).Recorded(fstest.MapFS{"testdata/a.txt": {Data: []byte("Event {}\n---\nrow 1\n")}}); other.Hash == first {
		t.Error("other rows have the same hash")
	}
	if d.Hash != "rows" {
		t.Error("the definition itself was changed")
	}
}
