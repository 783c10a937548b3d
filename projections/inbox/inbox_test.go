package inbox

import (
	"math"
	"slices"
	"testing"

	"github.com/refold/refold/projections/harness"
	"github.com/refold/refold/schemas/event"
)

func TestMain(m *testing.M) { harness.Main(m) }

func TestScripts(t *testing.T) { harness.Scripts(t, Definition()) }

func TestTheNewestComesFirst(t *testing.T) {
	var keys []string
	for _, at := range []event.Micros{math.MaxInt64, 1, 0, -1, math.MinInt64} {
		keys = append(keys, sort(at, "b"))
	}
	if !slices.IsSorted(keys) {
		t.Errorf("got %q, which are not in order", keys)
	}
	for sort, want := range map[string]string{keys[0]: "b", "": "", "short": ""} {
		if got := IDOf(sort); got != want {
			t.Errorf("%q: got %q, want %q", sort, got, want)
		}
	}
}
