package evaluation

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
)

// scored is what a case was given, and what became of it.
type scored struct {
	score float64
	good  bool
}

func scores(cases []Case) []scored {
	out := make([]scored, len(cases))
	for i, c := range cases {
		out[i] = scored{score: float64(c.Judgement.Score), good: c.Good}
	}
	return out
}

// area returns the area under the ROC curve: how often a good case has a higher score than a bad one, where
// an equal score counts for half.
func area(list []scored) float64 {
	list = slices.Clone(list)
	slices.SortFunc(list, func(a, b scored) int { return cmp.Compare(a.score, b.score) })
	var above, good, bad float64
	for from := 0; from < len(list); {
		var g, b float64
		to := from
		for ; to < len(list) && list[to].score == list[from].score; to++ {
			if list[to].good {
				g++
			} else {
				b++
			}
		}
		above += g*bad + g*b/2
		good, bad, from = good+g, bad+b, to
	}
	return above / (good * bad)
}

// split returns the good and the bad cases.
func split(list []scored) (good, bad []scored) {
	for _, s := range list {
		if s.good {
			good = append(good, s)
		} else {
			bad = append(bad, s)
		}
	}
	return good, bad
}

// resamples is how many samples a bootstrap interval is taken from.
const resamples = 2000

// bootstrap returns the interval in which the area lies in 95 of 100 samples that are drawn from the cases,
// with as many good and bad ones.
func bootstrap(list []scored, random *rand.Rand) (low, high float64) {
	good, bad := split(list)
	areas := make([]float64, resamples)
	sample := make([]scored, 0, len(list))
	for i := range areas {
		sample = sample[:0]
		for _, class := range [][]scored{good, bad} {
			for range class {
				sample = append(sample, class[random.IntN(len(class))])
			}
		}
		areas[i] = area(sample)
	}
	slices.Sort(areas)
	return areas[resamples/40], areas[resamples-resamples/40-1]
}

// spread returns the mean of numbers and their standard deviation.
func spread(list []float64) (mean, deviation float64) {
	for _, v := range list {
		mean += v / float64(len(list))
	}
	for _, v := range list {
		deviation += (v - mean) * (v - mean) / float64(len(list))
	}
	return mean, math.Sqrt(deviation)
}
