package main

import (
	"fmt"
	"slices"
	"time"

	"github.com/refold/refold/schemas/category"
)

// sums are amounts and how many there were, by whatever they are summed by.
type sums map[string][2]int64

func (s sums) add(key string, amount int64) {
	v := s[key]
	s[key] = [2]int64{v[0] + amount, v[1] + 1}
}

// answer returns what there is to say of a customer, in order.
func answer(rows []row, customer string) []string {
	accounts, spent, income, ends := make(sums), make(sums), make(sums), make(sums)
	var mine []row
	for _, r := range rows {
		if r.customer == customer {
			mine = append(mine, r)
		}
	}
	for _, r := range mine {
		month := r.at.UTC().Format("2006-01")
		accounts.add(r.account+" "+r.currency, r.minor)
		switch {
		case r.income:
			income.add(month+" "+r.currency, r.minor)
		default:
			spent.add(month+" "+categoryOf(r)+" "+r.currency, -r.minor)
		}
	}
	for _, r := range mine {
		end := nextMonth(r.at)
		key := r.account + " " + end.Format(time.DateOnly)
		if _, done := ends[key]; done {
			continue
		}
		for _, other := range mine {
			if other.account == r.account && other.at.Before(end) {
				ends.add(key, other.minor)
			}
		}
	}
	var out []string
	for key, v := range accounts {
		out = append(out, fmt.Sprintf("balance %s %d of %d entries", key, v[0], v[1]))
	}
	for key, v := range ends {
		out = append(out, fmt.Sprintf("before %s: %d", key, v[0]))
	}
	for key, v := range spent {
		out = append(out, fmt.Sprintf("spent %s %d in %d entries", key, v[0], v[1]))
	}
	for key, v := range income {
		if v[0] == 0 {
			continue
		}
		out = append(out, fmt.Sprintf("income %s %d", key, v[0]))
	}
	out = append(out, points(mine)...)
	if len(mine) > 0 {
		out = append(out, measured(mine)...)
	}
	slices.Sort(out)
	return out
}

// nextMonth returns the beginning of the month after a time.
func nextMonth(t time.Time) time.Time {
	return time.Date(t.UTC().Year(), t.UTC().Month()+1, 1, 0, 0, 0, 0, time.UTC)
}

// categoryOf returns what was spent on.
func categoryOf(r row) string {
	c, _ := category.Of("", r.words)
	if c == category.Other && r.fallback != "" {
		return r.fallback
	}
	return c.String()
}
