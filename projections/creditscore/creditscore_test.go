package creditscore

import (
	"slices"
	"testing"

	"github.com/refold/refold/projections/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }

func TestScripts(t *testing.T) { harness.Scripts(t, Definition()) }

// A score is a sum of points, and the tables hold what they promise.
func TestModels(t *testing.T) {
	for i, m := range Models() {
		if i > 0 && m.Version <= Models()[i-1].Version {
			t.Errorf("version %d is not in order", m.Version)
		}
		best, seen := int64(MinScore), make(map[Measure]bool)
		for _, f := range m.Factors {
			best += f.Best()
			if seen[f.Measure] {
				t.Errorf("version %d: %s is there twice", m.Version, f.Measure)
			}
			seen[f.Measure] = true
			checkBins(t, f)
		}
		if best != MaxScore {
			t.Errorf("version %d: got at most %d points, want %d", m.Version, best, MaxScore)
		}
	}
}

func checkBins(t *testing.T, f Factor) {
	t.Helper()
	for i, b := range f.Bins {
		if b.Words == "" || b.Points < 0 || i > 0 && b.Below <= f.Bins[i-1].Below {
			t.Errorf("%s: bin %d is out of order or has no words: %+v", f.Measure, i, b)
		}
	}
	points := func(a, b Bin) int { return int(a.Points - b.Points) }
	if falling := func(a, b Bin) int { return points(b, a) }; !slices.IsSortedFunc(f.Bins, points) && !slices.IsSortedFunc(f.Bins, falling) {
		t.Errorf("%s: points rise and fall", f.Measure)
	}
	lowest := slices.MinFunc(f.Bins, points)
	if lowest.Points != 0 || f.Bins[len(f.Bins)-1].Below != highest {
		t.Errorf("%s: got a lowest bin of %d points, and a last bin below %d", f.Measure, lowest.Points, f.Bins[len(f.Bins)-1].Below)
	}
}
