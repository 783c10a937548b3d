package creditscore

import (
	"math/bits"
	"slices"
)

// Measure is something that is measured of a customer, by a whole number.
type Measure int

// What is measured. What each one means is said in the tables of a model.
const (
	Floor Measure = iota
	Lean
	Swing
	Overdrafts
	Income
	Age
	Limits
	Refusals
	measures
)

// String returns the name of a measure.
func (m Measure) String() string {
	names := [measures]string{"floor", "lean_months", "swing", "overdrafts", "income", "age", "limits", "refusals"}
	return names[m]
}

// Measured is the value of a measure.
type Measured struct {
	Value int64
	// Known is false where it is too early to tell.
	Known bool
}

// Measurements are all measures of one customer on one day.
type Measurements [measures]Measured

// enoughDays is how many days must have gone by after the month in which an account was opened.
const enoughDays = 30

// leanPercent is the share of a month's income below which a balance is low.
const leanPercent = 20

// At returns the measures of a customer as they are on a day, if nothing happens until then. A day before
// the last one of the row is as good as that. The row is left as it is.
func (r *Row) At(day int64) Measurements {
	later := *r
	later.Books = slices.Clone(r.Books)
	for i := range later.Books {
		later.Books[i].Months = slices.Clone(later.Books[i].Months)
	}
	later.advance(day)
	return later.measure()
}

// measure returns the measures of the row's day.
func (r *Row) measure() Measurements {
	var m Measurements
	m[Age] = Measured{Value: (r.Day - r.Opened) / 30, Known: true}
	m[Refusals] = Measured{Value: r.refused(), Known: true}
	if b := r.main(); b != nil {
		b.measure(r.Day, &m)
	}
	return m
}

// refused returns how many payments of the last months were refused.
func (r *Row) refused() (n int64) {
	month := monthOf(r.Day)
	for _, f := range r.Refusals {
		if f.Month > month-months {
			n += f.Count
		}
	}
	return n
}

// measure adds the measures of a book.
func (b *Book) measure(day int64, m *Measurements) {
	all := sumUp(b.Months, b.BalanceMinor)
	m[Overdrafts] = Measured{Value: all.overdrawn, Known: true}
	m[Limits] = Measured{Value: used(-all.low, b.LimitMinor), Known: true}
	month := monthOf(day)
	// The month in which the first account was opened is one of setting up, and not looked at.
	judged := b.Months[len(b.Months)-int(min(month-b.Opened, int64(len(b.Months)))):]
	if len(judged) == 0 {
		return
	}
	days := day - firstOf(month-int64(len(judged))+1) + 1
	if days < enoughDays {
		return
	}
	sum := sumUp(judged, b.BalanceMinor)
	income := sum.income/days*30 + sum.income%days*30/days
	n := int64(len(judged))
	lean, regular := count(judged, b.BalanceMinor, income)
	measurable := income > 0 || sum.low < 0 // without an income nothing but a debt is much or little
	m[Floor] = Measured{Value: percent(sum.low, income), Known: measurable}
	m[Lean] = Measured{Value: 100 * lean / n, Known: measurable}
	m[Swing] = Measured{Value: percent(sum.high-sum.low, sum.balances/(2*n)), Known: true}
	if n > 1 {
		m[Income] = Measured{Value: 100 * regular / (n - 1), Known: true}
	}
}

// total is what months sum up to.
type total struct {
	low, high int64
	income    int64
	balances  int64 // lowest and highest of all months
	overdrawn int64 // months
}

// sumUp sums months up, the last of which ends with a balance.
func sumUp(list []Month, balance int64) total {
	t := total{low: balance, high: balance}
	for i := range list {
		low, high := list[i].span(i == len(list)-1, balance)
		t.low, t.high = min(t.low, low), max(t.high, high)
		t.balances += low + high
		t.income += list[i].IncomeMinor
		if low < 0 || list[i].Penalty {
			t.overdrawn++
		}
	}
	return t
}

// span returns the lowest and the highest balance of a month; of the last one the balance is part.
func (m *Month) span(last bool, balance int64) (low, high int64) {
	if last {
		return min(m.LowMinor, balance), max(m.HighMinor, balance)
	}
	return m.LowMinor, m.HighMinor
}

// count returns in how many months the balance was low, and how many of those that have ended had a usual
// income that paid for what was spent.
func count(list []Month, balance, income int64) (lean, regular int64) {
	for i := range list {
		last := i == len(list)-1
		if low, _ := list[i].span(last, balance); percent(low, income) < leanPercent {
			lean++
		}
		if usual := list[i].IncomeMinor > 0 && list[i].IncomeMinor >= income/2; !last && usual && list[i].Covered {
			regular++
		}
	}
	return lean, regular
}

// maxPercent is the largest share that is told apart, in per cent.
const maxPercent = 100_000

// used returns how much of a limit was used, in per cent; 0 where there is none.
func used(debt, limit int64) int64 {
	if debt <= 0 || limit <= 0 {
		return 0
	}
	return percent(debt, limit)
}

// percent returns an amount in per cent of another, rounded to zero, but never a debt to zero. Nothing is 0 %
// of nothing, and whatever is more or less than nothing is as much as can be.
func percent(amount, of int64) int64 {
	switch {
	case amount == 0:
		return 0
	case amount < 0:
		return min(-percent(-amount, of), -1)
	case of <= 0:
		return maxPercent
	}
	hi, lo := bits.Mul64(uint64(amount), 100)
	if hi >= uint64(of) {
		return maxPercent
	}
	share, _ := bits.Div64(hi, lo, uint64(of))
	return int64(min(share, maxPercent))
}
