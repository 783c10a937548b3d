package rewards

import (
	"slices"
	"time"

	"github.com/refold/refold/schemas/event"
)

// Judgement is what a customer has in a month, and what the rules make of it.
type Judgement struct {
	Summary
	Tier Tier
	Next Tier  // the tier above; the zero Tier where there is none
	Year int64 // earned in the month and the eleven before it
	Room int64 // how many points more the month can give
	// Expiring are the months in which something is left, each by that in which it expires.
	Expiring []Month
}

// Judge returns what a customer has in a month, if nothing happens until then. A month before that of the
// summary is as good as that. The summary is left as it is.
func (r *Rules) Judge(s *Summary, month int64) Judgement {
	j := Judgement{Summary: *s}
	j.Months = slices.Clone(s.Months)
	j.advance(month, r.LifeMonths)
	j.Year = j.rolling()
	j.Tier = r.tier(j.Year)
	if i := slices.Index(r.Tiers, j.Tier); i+1 < len(r.Tiers) {
		j.Next = r.Tiers[i+1]
	}
	j.Room = r.MonthlyCap
	if m := j.find(j.Month); m != nil {
		j.Room = max(0, r.MonthlyCap-m.Earned)
	}
	for _, m := range j.Months {
		if m.Left > 0 {
			m.Month += r.LifeMonths
			j.Expiring = append(j.Expiring, m)
		}
	}
	return j
}

// MonthOf returns the month of a time (UTC), counted from January of the year 0.
func MonthOf(t time.Time) int64 { return monthOf(event.MicrosOf(t)) }

// MonthName returns a month such as 2014-05.
func MonthName(month int64) string {
	return time.Date(int(month/12), time.Month(month%12)+1, 1, 0, 0, 0, 0, time.UTC).Format("2006-01")
}
