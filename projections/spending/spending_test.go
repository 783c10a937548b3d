package spending

import (
	"testing"
	"time"

	"github.com/refold/refold/projections/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }

func TestScripts(t *testing.T) { harness.Scripts(t, Definition()) }

func TestMonth(t *testing.T) {
	for _, at := range []time.Time{
		time.Date(2014, 1, 31, 23, 59, 59, 0, time.UTC),
		time.Date(1999, 12, 1, 0, 0, 0, 0, time.UTC),
		time.Date(2024, 3, 1, 0, 30, 0, 0, time.FixedZone("", 3600)), // February in UTC
	} {
		if got, want := Month(at), at.UTC().Format("2006-01"); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
