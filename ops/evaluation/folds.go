package evaluation

import (
	"math"
	"math/rand/v2"
	"slices"

	"github.com/refold/refold/projections/creditscore"
)

// Cross-validation is done so many times, with so many folds.
const (
	repeats = 100
	folds   = 5
)

// validate cuts the cases into folds, with as many bad ones in each, again and again. It returns the areas in
// the folds with the points of the model, and with points that were learnt from the other folds, with the
// bins of the model: if the model's own points had been fitted to noise, learnt ones would do worse.
func validate(cases []Case, random *rand.Rand) (fixed, learnt []float64) {
	for range repeats {
		fold := deal(cases, random)
		for n := range folds {
			var train, test []Case
			for i, c := range cases {
				if fold[i] == n {
					test = append(test, c)
				} else {
					train = append(train, c)
				}
			}
			fixed = append(fixed, area(scores(test)))
			learnt = append(learnt, area(learn(train).scores(test)))
		}
	}
	return fixed, learnt
}

// deal gives every case a fold.
func deal(cases []Case, random *rand.Rand) []int {
	out := make([]int, len(cases))
	var dealt [2]int
	for _, i := range random.Perm(len(cases)) {
		class := 0
		if cases[i].Good {
			class = 1
		}
		out[i] = dealt[class] % folds
		dealt[class]++
	}
	return out
}

// card gives weights to the bins of every factor.
type card [][]float64

// learn weighs the bins of every factor by the evidence of cases, so that bins which the model gives more
// points do not weigh less: neighbours that would are taken together.
func learn(cases []Case) card {
	var out card
	for i, c := range cases[0].Judgement.Factors {
		cells := make([]cell, len(c.Factor.Bins))
		for _, known := range cases {
			contribution := known.Judgement.Factors[i]
			cells[bin(contribution)].add(known.Good)
		}
		falling := c.Factor.Bins[0].Points > c.Factor.Bins[len(cells)-1].Points
		if falling {
			slices.Reverse(cells)
		}
		good, bad := split(scores(cases))
		weights := monotone(cells, float64(len(good)), float64(len(bad)))
		if falling {
			slices.Reverse(weights)
		}
		out = append(out, weights)
	}
	return out
}

func (c card) scores(cases []Case) []scored {
	out := make([]scored, len(cases))
	for i, known := range cases {
		out[i].good = known.Good
		for n, contribution := range known.Judgement.Factors {
			out[i].score += c[n][bin(contribution)]
		}
	}
	return out
}

// bin returns the number of the bin that a contribution comes from; what is not known is in the first.
func bin(c creditscore.Contribution) int {
	if !c.Measured.Known {
		return 0
	}
	n := slices.IndexFunc(c.Factor.Bins, func(b creditscore.Bin) bool { return c.Measured.Value < b.Below })
	return max(n, 0)
}

// cell is the cases of some neighbouring bins.
type cell struct {
	good, bad float64
	bins      int // more than one where bins were taken together; 0 means one
}

func (c *cell) add(good bool) {
	if good {
		c.good++
	} else {
		c.bad++
	}
}

// weight is the evidence of a cell for a good end, with half a bad case and as many good ones as there are to
// it added to each bin, so that a bin without cases says nothing.
func (c cell) weight(good, bad float64) float64 {
	added := 0.5 * float64(max(c.bins, 1))
	return math.Log((c.good+added*good/bad)/good) - math.Log((c.bad+added)/bad)
}

// monotone returns the weights of cells, which do not fall.
func monotone(cells []cell, good, bad float64) []float64 {
	var pools []cell
	for _, c := range cells {
		c.bins = 1
		for n := len(pools); n > 0 && pools[n-1].weight(good, bad) > c.weight(good, bad); n = len(pools) {
			c = cell{good: c.good + pools[n-1].good, bad: c.bad + pools[n-1].bad, bins: c.bins + pools[n-1].bins}
			pools = pools[:n-1]
		}
		pools = append(pools, c)
	}
	var out []float64
	for _, p := range pools {
		out = append(out, slices.Repeat([]float64{p.weight(good, bad)}, p.bins)...)
	}
	return out
}
