package evaluation

import (
	"errors"
	"math/rand/v2"

	"github.com/refold/refold/projections/creditscore"
)

// Report says how well the score tells good cases from bad ones. Areas are those under the ROC curve: 1 is
// perfect, 0.5 is chance.
type Report struct {
	Model int64   `json:"model"`
	Good  int     `json:"good"`
	Bad   int     `json:"bad"`
	AUC   float64 `json:"auc"`
	// Low and High bound the area in 95 of 100 samples of the cases.
	Low  float64 `json:"low"`
	High float64 `json:"high"`
	// Fixed is the area in the folds of a cross-validation, and Learnt that of points learnt from the other
	// folds.
	Fixed   Spread   `json:"fixed"`
	Learnt  Spread   `json:"learnt"`
	Seed    uint64   `json:"seed"`
	Factors []Factor `json:"factors"`
}

// Spread is the mean of areas and their standard deviation.
type Spread struct {
	Mean      float64 `json:"mean"`
	Deviation float64 `json:"deviation"`
}

// Factor is one factor of the model among the cases.
type Factor struct {
	Name  string `json:"name"`
	About string `json:"about"`
	// Alone is the area of the factor's points, and Without that of the score without them.
	Alone   float64 `json:"alone"`
	Without float64 `json:"without"`
	Bins    []Bin   `json:"bins"`
}

// Bin is one line of a factor's table among the cases.
type Bin struct {
	Words  string `json:"words"`
	Points int64  `json:"points"`
	Good   int    `json:"good"`
	Bad    int    `json:"bad"`
}

// ErrCases says that there are too few cases to say anything: a good and a bad one in every fold.
var ErrCases = errors.New("there are too few good or bad cases")

// Judge makes a report of cases. The same seed gives the same report.
func Judge(cases []Case, seed uint64) (Report, error) {
	all := scores(cases)
	good, bad := split(all)
	if len(good) < folds || len(bad) < folds {
		return Report{}, ErrCases
	}
	random := rand.New(rand.NewPCG(seed, 0))
	models := creditscore.Models()
	r := Report{Model: models[len(models)-1].Version, Good: len(good), Bad: len(bad), AUC: area(all), Seed: seed}
	r.Low, r.High = bootstrap(all, random)
	fixed, learnt := validate(cases, random)
	r.Fixed.Mean, r.Fixed.Deviation = spread(fixed)
	r.Learnt.Mean, r.Learnt.Deviation = spread(learnt)
	for i := range cases[0].Judgement.Factors {
		r.Factors = append(r.Factors, factor(cases, i))
	}
	return r, nil
}

// factor reports on the nth factor.
func factor(cases []Case, n int) Factor {
	f := cases[0].Judgement.Factors[n].Factor
	out := Factor{Name: f.Measure.String(), About: f.About}
	for _, b := range f.Bins {
		out.Bins = append(out.Bins, Bin{Words: b.Words, Points: b.Points})
	}
	alone, without := scores(cases), scores(cases)
	for i, c := range cases {
		given := c.Judgement.Factors[n]
		alone[i].score = float64(given.Points)
		without[i].score -= float64(given.Points)
		if b := &out.Bins[bin(given)]; c.Good {
			b.Good++
		} else {
			b.Bad++
		}
	}
	out.Alone, out.Without = area(alone), area(without)
	return out
}
