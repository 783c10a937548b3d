package reports

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/refold/refold/projections/engine"
	"github.com/refold/refold/projections/projection"
	"github.com/refold/refold/projections/spending"
	"github.com/refold/refold/schemas/api/bankv1"
	"github.com/refold/refold/schemas/category"
	"github.com/refold/refold/schemas/money"
	"github.com/refold/refold/services/query"
)

// GetSpending implements bankv1.ReportsServiceServer. Months without spending and income are left out.
func (s *Server) GetSpending(ctx context.Context, r *bankv1.GetSpendingRequest) (*bankv1.GetSpendingResponse, error) {
	if r.GetTo() != "" && r.GetFrom() > r.GetTo() {
		return nil, query.Wrong(query.ReasonMalformed, "from", "must not be later than to")
	}
	v, err := s.reader.View(ctx, query.Question{Projection: spending.Name, Customer: r.GetCustomerId(), MinPosition: r.GetMinPosition(), Past: r})
	if err != nil {
		return nil, err
	}
	defer v.Close()
	zone, err := s.zone(v, r)
	if err != nil {
		return nil, err
	}
	rows, err := s.months(v, r)
	if err != nil {
		return nil, err
	}
	sums, err := spending.Months(rows, zone)
	if err != nil {
		return nil, fmt.Errorf("spending of customer %s: %w", r.GetCustomerId(), err)
	}
	out := &bankv1.GetSpendingResponse{Freshness: query.Freshness(v), TimeZone: zone.String()}
	for i := range sums {
		if sums[i].Month < r.GetFrom() || r.GetTo() != "" && sums[i].Month > r.GetTo() {
			continue
		}
		m, err := monthOf(sums, i)
		if err != nil {
			return nil, fmt.Errorf("spending of customer %s: %w", r.GetCustomerId(), err)
		}
		out.Months = append(out.Months, m)
	}
	return out, nil
}

// zone returns where the months of an answer begin and end.
func (s *Server) zone(v *engine.View, r *bankv1.GetSpendingRequest) (*time.Location, error) {
	var row spending.Row
	stored, err := v.Load(spending.ZoneKey(r.GetCustomerId()))
	if err == nil && stored != nil {
		_, err = projection.Decode(s.spending, stored, &row)
	}
	if err != nil {
		return nil, err
	}
	zone, err := time.LoadLocation(cmp.Or(r.GetTimeZone(), row.Zone))
	if err != nil && r.GetTimeZone() != "" {
		return nil, query.Wrong(query.ReasonMalformed, "time_zone", "is no time zone")
	}
	return zone, err
}

// months returns the rows that the months asked for and the one before them are made of.
func (s *Server) months(v *engine.View, r *bankv1.GetSpendingRequest) (map[string]spending.Row, error) {
	from, to := beside(r.GetFrom(), -2), spending.ZoneKey("").Sort
	if after := beside(r.GetTo(), 2); after != "" && len(after) == len(r.GetTo()) {
		to = after
	}
	rows := make(map[string]spending.Row)
	var broken error
	err := v.Scan(r.GetCustomerId(), from, to, func(k projection.Key, stored []byte) bool {
		var row spending.Row
		_, broken = projection.Decode(s.spending, stored, &row)
		rows[k.Sort] = row
		return broken == nil
	})
	return rows, errors.Join(err, broken)
}

// beside returns the month so many months later; "" of none.
func beside(month string, months int) string {
	t, err := time.Parse("2006-01", month)
	if err != nil {
		return ""
	}
	return t.AddDate(0, months, 0).Format("2006-01")
}

// monthOf returns one of the sums, which are in order, beside that of the month before.
func monthOf(sums []spending.Sum, i int) (*bankv1.MonthSpending, error) {
	sum, before := sums[i], spending.Sum{}
	if i > 0 && sums[i-1].Month == beside(sum.Month, -1) {
		before = sums[i-1]
	}
	out := &bankv1.MonthSpending{Month: sum.Month, UnknownEntries: sum.Unknown}
	var currencies []string
	for _, c := range sum.Cells {
		if !slices.Contains(currencies, c.Currency) {
			currencies = append(currencies, c.Currency)
		}
		if c.Category != spending.Income {
			out.Categories = append(out.Categories, &bankv1.CategorySpending{
				Category: category.Category(c.Category).String(), Currency: c.Currency, SpentMinor: c.AmountMinor, Entries: c.Entries,
			})
		}
	}
	slices.Sort(currencies)
	for _, currency := range currencies {
		total, fits := totalOf(&sum, &before, currency)
		if !fits {
			return nil, fmt.Errorf("the sum of %s in %s does not fit into 64 bits", sum.Month, currency)
		}
		out.Totals = append(out.Totals, total)
	}
	return out, nil
}

// totalOf returns all of a month in a currency, beside the month before; false where it does not fit.
func totalOf(sum, before *spending.Sum, currency string) (*bankv1.MonthTotal, bool) {
	spent, income, fits := sum.Totals(currency)
	was, _, fitted := before.Totals(currency)
	net, small := money.Add(income, -spent)
	change, little := money.Add(spent, -was)
	return &bankv1.MonthTotal{
		Currency: currency, SpentMinor: spent, IncomeMinor: income, NetMinor: net, SpentBeforeMinor: was, SpentChangeMinor: change,
	}, fits && fitted && small && little
}
