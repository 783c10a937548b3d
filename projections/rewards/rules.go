package rewards

import (
	"time"

	"github.com/refold/refold/schemas/category"
	"github.com/refold/refold/schemas/event"
)

// Rules say what points are given for. Whoever changes a number adds a version, and the points of before are
// explained by the version of before for as long as its generation is kept.
type Rules struct {
	// Version is that of the projection whose rows are folded by the rules.
	Version int64
	// Prices say how much money is worth a point. Money of other currencies gives none.
	Prices []Price
	// Rates are for categories that give more or fewer points than one for the price; others give just that.
	Rates []Rate
	// MonthlyCap is the most that a month (UTC) gives.
	MonthlyCap int64
	// LifeMonths is how long points live: those of January 2024 are gone with January 2026 where it is 24.
	LifeMonths int64
	// Tiers are for customers who earned so much in this month and the eleven before it, lowest first.
	Tiers []Tier
	// Campaigns give more for a while. Where several are on, the one that gives the most counts.
	Campaigns []Campaign
}

// Price is how many minor units of a currency give a point. What is left over gives nothing.
type Price struct {
	Currency string
	Minor    int64
}

// Rate is the points of a category, in percent of the usual.
type Rate struct {
	Category category.Category
	Percent  int64
}

// Tier is what earned points give more to those who earn many, in percent of the usual.
type Tier struct {
	Name    string
	From    int64 // points of twelve months
	Percent int64
}

// Campaign multiplies the points of a category from one day up to, not including, another (UTC), in percent of
// the usual.
type Campaign struct {
	Name     string
	Category category.Category
	From     time.Time
	Until    time.Time
	Percent  int64
}

// Versions returns every version of the rules, oldest first. The last one is in force.
func Versions() []Rules { return []Rules{first()} }

func first() Rules {
	begin := func(year int, month time.Month) time.Time {
		return time.Date(year, month, 1, 0, 0, 0, 0, time.UTC)
	}
	return Rules{
		Version: 1,
		Prices: []Price{
			{"EUR", 100}, {"GBP", 100}, {"USD", 100}, {"CHF", 100}, {"CZK", 2500}, {"JPY", 150}, {"KWD", 300},
		},
		Rates: []Rate{
			{category.Groceries, 200}, {category.Restaurants, 200}, {category.Transport, 200},
			{category.Travel, 300}, {category.Fuel, 150},
			{category.Government, 0}, {category.Finance, 0}, {category.Withdrawals, 0}, {category.Fees, 0},
		},
		MonthlyCap: 5000,
		LifeMonths: 24,
		Tiers: []Tier{
			{"classic", 0, 100},
			{"silver", 10_000, 110},
			{"gold", 25_000, 125},
		},
		Campaigns: []Campaign{
			{"summer of travel 2024", category.Travel, begin(2024, time.June), begin(2024, time.September), 200},
			{"read more 2015", category.Shopping, begin(2015, time.March), begin(2015, time.April), 300},
		},
	}
}

// purchase is what points are given for.
type purchase struct {
	minor    int64
	currency string
	category category.Category
	at       event.Micros
}

// mostUnits is more money than any month gives points for; see TestRulesFit.
const mostUnits = 1_000_000_000

// points returns what a purchase gives to a tier, if the month has room for it: at most the monthly cap. What a
// refund takes back is below zero.
func (r *Rules) points(p purchase, t Tier) int64 {
	units, percent := int64(0), int64(100)
	for i := range r.Prices {
		if r.Prices[i].Currency == p.currency {
			units = p.minor / r.Prices[i].Minor
		}
	}
	for i := range r.Rates {
		if r.Rates[i].Category == p.category {
			percent = r.Rates[i].Percent
		}
	}
	units = max(-mostUnits, min(units, mostUnits))
	points := units * percent * r.campaign(p) * t.Percent / (100 * 100 * 100)
	return max(-r.MonthlyCap, min(points, r.MonthlyCap))
}

// campaign returns what campaigns multiply the points of a purchase with, in percent.
func (r *Rules) campaign(p purchase) int64 {
	most := int64(100)
	for i := range r.Campaigns {
		c := &r.Campaigns[i]
		if c.Category == p.category && p.at >= event.MicrosOf(c.From) && p.at < event.MicrosOf(c.Until) {
			most = max(most, c.Percent)
		}
	}
	return most
}

// tier returns the tier of a customer who earned so much in twelve months.
func (r *Rules) tier(earned int64) Tier {
	t := r.Tiers[0]
	for _, next := range r.Tiers[1:] {
		if earned >= next.From {
			t = next
		}
	}
	return t
}
