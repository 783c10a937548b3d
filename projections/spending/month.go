package spending

import (
	"maps"
	"slices"
	"time"

	"github.com/refold/refold/schemas/event"
	"github.com/refold/refold/schemas/money"
)

// No time zone is further behind or ahead of UTC.
const (
	mostBehind = 12 * time.Hour
	mostAhead  = 14 * time.Hour
	quarter    = 15 * time.Minute
)

// edge returns in which quarter of an hour of its month (UTC) a time is, counted from 1, where it is in another
// month somewhere; else 0.
func edge(t time.Time) int64 {
	day, hour := t.Day(), t.Hour()
	if day != 1 && day < 27 || day == 1 && hour >= int(mostBehind/time.Hour) || day >= 27 && t.Add(mostAhead).Day() >= 27 {
		return 0
	}
	return int64((day-1)*24+hour)*4 + int64(t.Minute()/15) + 1
}

// calendar tells months and edges. It remembers the day of the time before, which most times are of.
type calendar struct {
	begin, end event.Micros // of the day
	month      string       // of the day
	inner      bool         // the day has no edges
}

// place returns the month of a time, in UTC, and its edge.
func (c *calendar) place(at event.Micros) (string, int64) {
	t := at.Time()
	if at < c.begin || at >= c.end {
		day := t.Truncate(24 * time.Hour)
		c.begin, c.end = event.MicrosOf(day), event.MicrosOf(day.Add(24*time.Hour))
		c.month, c.inner = Month(t), day.Day() > 1 && day.Day() < 27
	}
	if c.inner {
		return c.month, 0
	}
	return c.month, edge(t)
}

// Sum is what one customer spent, or got, in a month somewhere.
type Sum struct {
	Month string
	Cells []Cell // without edges
	// Unknown counts whole rows: it is of the month in UTC.
	Unknown int64
}

// Months puts rows, by their months in UTC, into the months of a time zone, in order. Months in which nothing was
// are left out.
func Months(rows map[string]Row, zone *time.Location) ([]Sum, error) {
	sums := make(map[string]*Row)
	in := func(month string) *Row {
		if sums[month] == nil {
			sums[month] = &Row{}
		}
		return sums[month]
	}
	for _, name := range slices.Sorted(maps.Keys(rows)) {
		begin, err := time.Parse("2006-01", name)
		if err != nil {
			return nil, err
		}
		in(name).Unknown += rows[name].Unknown
		for _, c := range rows[name].Cells {
			month := name
			if c.Edge > 0 {
				month = begin.Add(time.Duration(c.Edge-1) * quarter).In(zone).Format("2006-01")
			}
			if err := in(month).merge(c); err != nil {
				return nil, err
			}
		}
	}
	var out []Sum
	for _, month := range slices.Sorted(maps.Keys(sums)) {
		if s := sums[month]; len(s.Cells) > 0 {
			out = append(out, Sum{Month: month, Cells: s.Cells, Unknown: s.Unknown})
		}
	}
	return out, nil
}

// merge adds a cell as one without an edge.
func (r *Row) merge(c Cell) error {
	entries, amount := c.Entries, c.AmountMinor
	c.Edge, c.Entries, c.AmountMinor = 0, 0, 0
	if err := r.add(&c, amount); err != nil {
		return err
	}
	i, _ := r.find(&c)
	r.Cells[i].Entries += entries - 1
	return nil
}

// Totals returns what was spent and got in a currency.
func (s *Sum) Totals(currency string) (spent, income int64, fits bool) {
	fits = true
	for _, c := range s.Cells {
		switch {
		case c.Currency != currency || !fits:
		case c.Category == Income:
			income, fits = money.Add(income, c.AmountMinor)
		default:
			spent, fits = money.Add(spent, c.AmountMinor)
		}
	}
	return spent, income, fits
}
