package merchants

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// Payment is what is paid to one merchant month by month.
type Payment struct {
	Merchant string
	Currency string
	Months   int64  // how many without a gap
	Last     string // month, such as 2014-01
	// LastMinor is what was paid in it. No month of them differs from another by more than a tenth.
	LastMinor int64
}

// fewestMonths make a payment recurring.
const fewestMonths = 3

// Recurring returns the payments that recur: one a month, for three months or more up to the last month of the
// rows or the one before it, of nearly the same amount. Rows are by their months.
func Recurring(rows map[string]Row) []Payment {
	months := slices.Sorted(maps.Keys(rows))
	if len(months) == 0 {
		return nil
	}
	last := months[len(months)-1]
	var out []Payment
	for _, end := range []string{last, before(last)} {
		for _, m := range rows[end].Merchants {
			same := func(p Payment) bool { return p.Merchant == m.Name && p.Currency == m.Currency }
			if p := streak(rows, end, m); p.Months >= fewestMonths && !slices.ContainsFunc(out, same) {
				out = append(out, p)
			}
		}
	}
	slices.SortFunc(out, func(a, b Payment) int {
		if c := strings.Compare(a.Merchant, b.Merchant); c != 0 {
			return c
		}
		return strings.Compare(a.Currency, b.Currency)
	})
	return out
}

// streak returns the payments to a merchant that lead up to that of a month without a gap.
func streak(rows map[string]Row, end string, m Merchant) Payment {
	p := Payment{Merchant: m.Name, Currency: m.Currency, Last: end, LastMinor: m.SpentMinor}
	low, high := m.SpentMinor, m.SpentMinor
	for month := end; ; month = before(month) {
		i, found := slices.BinarySearchFunc(rows[month].Merchants, m, byName)
		if !found {
			return p
		}
		at := rows[month].Merchants[i]
		low, high = min(low, at.SpentMinor), max(high, at.SpentMinor)
		if at.Entries != 1 || low <= 0 || high-low > high/10 {
			return p
		}
		p.Months++
	}
}

// before returns the month before a month.
func before(month string) string {
	t, err := time.Parse("2006-01", month)
	if err != nil {
		return ""
	}
	return t.AddDate(0, -1, 0).Format("2006-01")
}
