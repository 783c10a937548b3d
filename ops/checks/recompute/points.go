package main

import (
	"fmt"
	"slices"
	"time"
)

// grant is the points of one month.
type grant struct{ month, earned, left int64 }

// points returns what there is to say of the points of rows that are all of one customer. The numbers are those of
// version 1 of the rules, written down once more.
func points(rows []row) []string {
	var grants []grant
	var now, owed, earned, taken, expired int64
	bought := false
	for _, r := range rows {
		if !r.buys {
			continue
		}
		bought = true
		now = max(now, int64(r.at.UTC().Year())*12+int64(r.at.UTC().Month())-1)
		for len(grants) > 0 && grants[0].month+24 <= now {
			expired += grants[0].left
			grants = grants[1:]
		}
		if len(grants) == 0 || grants[len(grants)-1].month != now {
			grants = append(grants, grant{month: now})
		}
		here := &grants[len(grants)-1]
		n := worth(r, tier(grants, now))
		if r.minor <= 0 {
			n = max(0, min(n, 5000-here.earned))
			earned += n
			here.earned += n
			paid := min(owed, n)
			owed -= paid
			here.left += n - paid
			continue
		}
		taken += n
		here.earned -= n
		rest := n - min(n, here.left)
		here.left -= n - rest
		for i := range grants {
			some := min(rest, grants[i].left)
			grants[i].left -= some
			rest -= some
		}
		owed += rest
	}
	if !bought {
		return nil
	}
	left := -owed
	for _, g := range grants {
		left += g.left
	}
	return []string{fmt.Sprintf("points %d: %d earned, %d taken back, %d expired", left, earned, taken, expired)}
}

// tier returns the percentage of a customer's tier.
func tier(grants []grant, now int64) int64 {
	year := int64(0)
	for _, g := range grants {
		if g.month > now-12 {
			year += g.earned
		}
	}
	switch {
	case year >= 25_000:
		return 125
	case year >= 10_000:
		return 110
	}
	return 100
}

// worth returns the points of a purchase, or those that a refund takes.
func worth(r row, tier int64) int64 {
	price := map[string]int64{"GBP": 100, "USD": 100}[r.currency]
	if price == 0 {
		return 0
	}
	minor := r.minor
	if minor < 0 {
		minor = -minor
	}
	percent, category := int64(100), categoryOf(r)
	switch {
	case slices.Contains([]string{"groceries", "restaurants", "transport"}, category):
		percent = 200
	case category == "travel":
		percent = 300
	case category == "fuel":
		percent = 150
	case slices.Contains([]string{"government", "finance", "withdrawals", "fees"}, category):
		percent = 0
	}
	campaign := int64(100)
	switch {
	case category == "travel" && within(r.at, "2024-06-01", "2024-09-01"):
		campaign = 200
	case category == "shopping" && within(r.at, "2015-03-01", "2015-04-01"):
		campaign = 300
	}
	return min(5000, minor/price*percent*campaign*tier/1_000_000)
}

func within(t time.Time, from, until string) bool {
	day := t.UTC().Format(time.DateOnly)
	return from <= day && day < until
}
