package main

import (
	"cmp"
	"fmt"
	"math/big"
	"slices"
	"time"
)

// monthly is what a calendar month of a customer was. Its balances are that with which it began and those at the end of
// each of its days.
type monthly struct {
	balances      []int64
	income, spent int64
	penalty       bool
}

// The numbers by which the score measures, as the bank tells them to customers.
const (
	yearMonths    = 12
	creditLimit   = 1_000_000_000_000 // of every account that is imported
	leanShare     = 20
	coveredShare  = 90
	largestShare  = 100_000
	relationMonth = 30 // days
)

// measured returns what the credit score measures of a customer on the day of the last row, if the customer has one
// account: every day of the account's life is gone through.
func measured(mine []row) []string {
	rows := slices.Clone(mine)
	slices.SortStableFunc(rows, func(a, b row) int { return cmp.Compare(day(a), day(b)) })
	first, last := day(rows[0]), day(rows[len(rows)-1])
	var life []monthly
	balance, next := int64(0), 0
	for d := first; d <= last; d++ {
		if d == first || time.Unix(d*86_400, 0).UTC().Day() == 1 {
			life = append(life, monthly{balances: []int64{balance}})
		}
		m := &life[len(life)-1]
		for ; next < len(rows) && day(rows[next]) == d; next++ {
			r := rows[next]
			balance += r.minor
			if r.income {
				m.income += r.minor
			} else {
				m.spent -= r.minor
			}
			m.penalty = m.penalty || r.words == "sanction_interest"
		}
		m.balances = append(m.balances, balance)
	}
	year := life[max(0, len(life)-yearMonths):]
	judged := life[min(len(life), max(1, len(life)-yearMonths)):]
	out := append(overall(year), fmt.Sprintf("measured age %d", (last-first)/relationMonth), "measured refusals 0")
	end := time.Unix(last*86_400, 0).UTC()
	begin := time.Date(end.Year(), end.Month()-time.Month(len(judged)-1), 1, 0, 0, 0, 0, time.UTC)
	return append(out, judge(judged, last-begin.Unix()/86_400+1)...)
}

// overall measures all months of the last year.
func overall(year []monthly) []string {
	overdrawn, lowest := 0, int64(0)
	for _, m := range year {
		low := slices.Min(m.balances)
		lowest = min(lowest, low)
		if low < 0 || m.penalty {
			overdrawn++
		}
	}
	return []string{fmt.Sprintf("measured overdrafts %d", overdrawn), fmt.Sprintf("measured limits %d", share(-lowest, creditLimit))}
}

// judge measures the months of the last year but that in which the account was opened, which are so many days.
func judge(judged []monthly, days int64) []string {
	if len(judged) == 0 || days < relationMonth {
		return []string{"measured floor -", "measured lean_months -", "measured swing -", "measured income -"}
	}
	var lows, highs []int64
	var income, usual int64
	for _, m := range judged {
		lows, highs, income = append(lows, slices.Min(m.balances)), append(highs, slices.Max(m.balances)), income+m.income
	}
	income = income * relationMonth / days
	lean, regular := int64(0), int64(0)
	for i, m := range judged {
		usual += lows[i] + highs[i]
		if share(lows[i], income) < leanShare {
			lean++
		}
		ended := i < len(judged)-1
		if covered := m.income*100 >= m.spent*coveredShare; ended && m.income > 0 && m.income >= income/2 && covered {
			regular++
		}
	}
	n := int64(len(judged))
	out := []string{fmt.Sprintf("measured swing %d", share(slices.Max(highs)-slices.Min(lows), usual/(2*n)))}
	if income > 0 || slices.Min(lows) < 0 {
		out = append(out, fmt.Sprintf("measured floor %d", share(slices.Min(lows), income)), fmt.Sprintf("measured lean_months %d", 100*lean/n))
	} else {
		out = append(out, "measured floor -", "measured lean_months -")
	}
	if n == 1 {
		return append(out, "measured income -")
	}
	return append(out, fmt.Sprintf("measured income %d", 100*regular/(n-1)))
}

func day(r row) int64 { return r.at.Unix() / 86_400 }

// share returns an amount in per cent of another: towards zero, but a debt is at least one per cent, and all that is
// not nothing is the largest share of nothing.
func share(amount, of int64) int64 {
	if amount < 0 {
		return min(-1, -share(-amount, of))
	}
	if amount == 0 {
		return 0
	}
	if of <= 0 {
		return largestShare
	}
	percent := new(big.Int).Mul(big.NewInt(amount), big.NewInt(100))
	percent.Quo(percent, big.NewInt(of))
	if percent.Cmp(big.NewInt(largestShare)) > 0 {
		return largestShare
	}
	return percent.Int64()
}
