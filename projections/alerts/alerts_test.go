package alerts

import (
	"testing"

	"github.com/refold/refold/projections/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }

func TestScripts(t *testing.T) { harness.Scripts(t, Definition()) }

func TestScale(t *testing.T) {
	for currency, want := range map[string]int64{"EUR": 1, "JPY": 1, "KWD": 10} {
		if got := scaleOf(currency); got != want {
			t.Errorf("%s: got %d, want %d", currency, got, want)
		}
	}
}
