package creditscore

import "math"

// Bounds of every score.
const (
	MinScore = 300
	MaxScore = 850
)

// Model turns what is measured of a customer into a score: MinScore and the points of every factor. The best
// that all factors can give is MaxScore.
type Model struct {
	// Version is that of the projection whose rows are scored with the model.
	Version int64
	Factors []Factor
}

// Factor is one table of points. What lies below the bound of a bin, and of none before it, gets its points.
type Factor struct {
	Measure Measure
	// About says in words what is measured, and in which unit.
	About string
	// Unknown are the points of a customer of whom this cannot be said yet.
	Unknown int64
	Bins    []Bin
}

// Bin is one line of the table of a factor.
type Bin struct {
	Below  int64 // the last bin has no bound
	Points int64
	Words  string // what it means, for the customer
}

// highest is the bound of a last bin.
const highest = math.MaxInt64

// Models returns every version of the model, oldest first. The last one is in force.
func Models() []Model { return []Model{first()} }

// first is the model of version 1. How its bounds and points were found, and how well it tells good loans
// from bad ones, is told in ops/decisions/006-credit-score.md. Whoever changes a number adds a version.
func first() Model {
	return Model{Version: 1, Factors: []Factor{
		{Measure: Floor, Unknown: 60, About: "lowest balance at the end of a day of the last 12 months, in % of a month's income", Bins: []Bin{
			{0, 0, "the balance fell below zero"},
			{5, 60, "the balance was nearly used up at times"},
			{20, 85, "the balance fell below a fifth of a month's income"},
			{50, 110, "the lowest balance was less than half of a month's income"},
			{highest, 130, "the balance never fell below half of a month's income"},
		}},
		{Measure: Lean, Unknown: 45, About: "months of the last 12 in which the balance fell below a fifth of a month's income, in %", Bins: []Bin{
			{1, 90, "no month was lean"},
			{15, 70, "a month in which the balance was low"},
			{30, 45, "several months in which the balance was low"},
			{50, 20, "the balance was low in many months"},
			{highest, 0, "the balance was low in most months"},
		}},
		{Measure: Swing, Unknown: 50, About: "highest less lowest balance of the last 12 months, in % of the usual balance", Bins: []Bin{
			{125, 100, "the balance is steady"},
			{150, 85, "the balance varies a little"},
			{200, 60, "the balance varies"},
			{250, 30, "the balance varies widely"},
			{highest, 0, "the balance varies very widely"},
		}},
		{Measure: Overdrafts, About: "months of the last 12 in which the balance was below zero or penalty interest was charged", Bins: []Bin{
			{1, 100, "never overdrawn"},
			{2, 50, "overdrawn, or charged penalty interest, in one month"},
			{3, 25, "overdrawn, or charged penalty interest, in two months"},
			{highest, 0, "overdrawn, or charged penalty interest, in three months or more"},
		}},
		{Measure: Income, Unknown: 20, About: "whole months of the last 12 with half of the usual income or more that paid for 90 % of what was spent, in %", Bins: []Bin{
			{25, 0, "income is irregular, or less than what is spent"},
			{50, 15, "in most months income was low, or less than what was spent"},
			{75, 30, "in some months income was low, or less than what was spent"},
			{highest, 40, "regular income pays for what is spent"},
		}},
		{Measure: Age, About: "age of the relationship, in months of 30 days", Bins: []Bin{
			{6, 0, "a customer for less than half a year"},
			{12, 10, "a customer for less than a year"},
			{24, 15, "a customer for less than two years"},
			{highest, 20, "a customer for two years or more"},
		}},
		{Measure: Limits, About: "most of the overdraft limits that was used in the last 12 months, in %", Bins: []Bin{
			{10, 35, "limits are hardly used"},
			{30, 28, "a part of the limits is used"},
			{60, 18, "much of the limits is used"},
			{90, 8, "most of the limits is used"},
			{highest, 0, "the limits are used up"},
		}},
		{Measure: Refusals, About: "payments of the last 12 months that were refused for want of funds", Bins: []Bin{
			{1, 35, "no payment was refused"},
			{2, 25, "a payment was refused for want of funds"},
			{4, 10, "some payments were refused for want of funds"},
			{highest, 0, "many payments were refused for want of funds"},
		}},
	}}
}

// Points returns what a factor gives for what was measured, and the words for it.
func (f Factor) Points(m Measured) (points int64, words string) {
	if !m.Known {
		return f.Unknown, "it is too early to tell"
	}
	for _, b := range f.Bins {
		if m.Value < b.Below {
			return b.Points, b.Words
		}
	}
	last := f.Bins[len(f.Bins)-1]
	return last.Points, last.Words
}

// Best returns the most points that a factor gives.
func (f Factor) Best() int64 {
	best := f.Unknown
	for _, b := range f.Bins {
		best = max(best, b.Points)
	}
	return best
}

// penalty tells whether fees of a category are charged for an overdraft or a payment that was returned.
func penalty(category string) bool {
	switch category {
	case "sanction_interest", "penalty_interest", "returned_payment":
		return true
	}
	return false
}
