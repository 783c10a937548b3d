package evaluation

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// list makes cases of scores: those of the good ones, then those of the bad ones.
func list(good, bad []float64) (out []scored) {
	for _, s := range good {
		out = append(out, scored{score: s, good: true})
	}
	for _, s := range bad {
		out = append(out, scored{score: s})
	}
	return out
}

func TestArea(t *testing.T) {
	for _, c := range []struct {
		good, bad []float64
		want      float64
	}{
		{[]float64{3, 2}, []float64{1, 0}, 1},
		{[]float64{1, 0}, []float64{3, 2}, 0},
		{[]float64{1, 1}, []float64{1}, 0.5},
		{[]float64{4, 2, 1}, []float64{3, 1}, 3.5 / 6},
	} {
		if got := area(list(c.good, c.bad)); got != c.want {
			t.Errorf("%v above %v: got %v, want %v", c.good, c.bad, got, c.want)
		}
	}
}

func TestBootstrapIsAroundTheArea(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var good, bad []float64
	for range 60 {
		good, bad = append(good, random.NormFloat64()+1), append(bad, random.NormFloat64())
	}
	all := list(good, bad)
	low, high := bootstrap(all, random)
	if at := area(all); low >= at || high <= at || high-low > 0.25 || high-low < 0.05 {
		t.Errorf("got %v to %v around %v", low, high, at)
	}
}

func TestWeightsDoNotFall(t *testing.T) {
	cells := []cell{{good: 1, bad: 4}, {good: 9, bad: 1}, {good: 5, bad: 3}, {}, {good: 9}}
	got := monotone(cells, 24, 8)
	if len(got) != len(cells) || !slices.IsSorted(got) || got[1] != got[2] || got[0] >= 0 || got[4] <= 0 {
		t.Errorf("got %v, want five that do not fall, the second and third alike", got)
	}
}

func TestFoldsHaveTheirShare(t *testing.T) {
	cases := make([]Case, 52)
	for i := range cases {
		cases[i].Good = i >= 12
	}
	var bad, all [folds]int
	for i, n := range deal(cases, rand.New(rand.NewPCG(3, 4))) {
		all[n]++
		if !cases[i].Good {
			bad[n]++
		}
	}
	if slices.Min(bad[:]) < 2 || slices.Min(all[:]) < 10 {
		t.Errorf("got %v cases, of them bad %v", all, bad)
	}
}
