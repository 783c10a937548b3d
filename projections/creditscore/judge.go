package creditscore

import (
	"cmp"
	"slices"
	"time"

	"github.com/refold/refold/schemas/event"
)

// Judgement is a score with everything that it was made of.
type Judgement struct {
	// Day is the one that the score is of, in UTC.
	Day     time.Time
	Score   int64
	Factors []Contribution // in the order of the model
}

// Contribution is what one factor adds to a score.
type Contribution struct {
	Factor   Factor
	Measured Measured
	Points   int64
	// Words say what was measured, for the customer.
	Words string
}

// Judge scores a customer at a time, if nothing happens until then. A time before the last day of the row
// is as good as that day. The row is left as it is.
func (m Model) Judge(r *Row, at time.Time) Judgement {
	day := max(dayOf(event.MicrosOf(at)), r.Day)
	measured := r.At(day)
	out := Judgement{Day: Day(day), Score: m.score(measured)}
	for _, f := range m.Factors {
		c := Contribution{Factor: f, Measured: measured[f.Measure]}
		c.Points, c.Words = f.Points(c.Measured)
		out.Factors = append(out.Factors, c)
	}
	return out
}

// Reasons returns the factors that cost the most points, at most n, the dearest first.
func (j Judgement) Reasons(n int) []Contribution {
	out := slices.DeleteFunc(slices.Clone(j.Factors), func(c Contribution) bool { return c.lost() == 0 })
	slices.SortStableFunc(out, func(a, b Contribution) int { return cmp.Compare(b.lost(), a.lost()) })
	return out[:min(n, len(out))]
}

// lost returns how many points more the factor could have given.
func (c Contribution) lost() int64 { return c.Factor.Best() - c.Points }

// Day returns the beginning of a day of a row.
func Day(day int64) time.Time { return time.Unix(day*(dayMicros/1_000_000), 0).UTC() }

// score sums up the points of all factors.
func (m Model) score(measured Measurements) int64 {
	score := int64(MinScore)
	for i := range m.Factors {
		f := &m.Factors[i]
		points, _ := f.Points(measured[f.Measure])
		score += points
	}
	return score
}
