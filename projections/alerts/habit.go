package alerts

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/refold/refold/schemas/category"
	"github.com/refold/refold/schemas/event"
	"github.com/refold/refold/schemas/money"
)

// Habit is what a customer spends on one category in one currency, in minor units. The usual is the mean of the last
// six months that have ended, and there is none before three have: the first is the one in which anything was first
// spent. Refunds and reversals come off in the month in which they occur, and time does not run back: what occurred in a
// month before counts in the present one.
type Habit struct {
	Category   int64  `avro:"category"` // a number of package category
	Currency   string `avro:"currency"`
	Month      int64  `avro:"month"` // the present one, counted from January of the year 0
	SpentMinor int64  `avro:"spent_minor"`
	// EndedMinor are the last months that have ended, at most six, oldest first.
	EndedMinor []int64 `avro:"ended_minor"`
	Told       bool    `avro:"told"` // in the present month
}

const (
	usualMonths = 6
	enough      = 3
)

// spend counts what a leg spends, and tells where that passes what is usual, once a month at most.
func (r *Row) spend(e *posted, l *leg, t teller) error {
	of, spends, _ := category.Spent(e.Kind, e.ReversesKind, e.MCC, e.Category)
	if !spends || of == category.Withdrawals || of == category.Fees {
		return nil
	}
	h := r.habit(int64(of), l.Currency, monthOf(e.OccurredAt))
	spent, fits := money.Add(h.SpentMinor, -l.AmountMinor)
	if !fits {
		return fmt.Errorf("what is spent on %s in %s does not fit into 64 bits", of, l.Currency)
	}
	h.SpentMinor = spent
	share, wanted := r.wants(event.AlertUnusualSpending, unusualShare)
	limit, known := h.limit(share, unusualLeast*scaleOf(l.Currency))
	if wanted && known && !h.Told && l.AmountMinor < 0 && spent > limit {
		h.Told = true
		t.tell(event.NotifyUnusualSpending, limit, of.String())
	}
	return nil
}

// habit returns what is spent on a category, in a month or the one that it has come to.
func (r *Row) habit(of int64, currency string, month int64) *Habit {
	i, found := slices.BinarySearchFunc(r.Habits, Habit{Category: of, Currency: currency}, func(a, b Habit) int {
		return cmp.Or(cmp.Compare(a.Category, b.Category), strings.Compare(a.Currency, b.Currency))
	})
	if !found {
		r.Habits = slices.Insert(r.Habits, i, Habit{Category: of, Currency: strings.Clone(currency), Month: month})
	}
	h := &r.Habits[i]
	for range min(month-h.Month, usualMonths+1) {
		h.EndedMinor = append(h.EndedMinor, h.SpentMinor)
		h.SpentMinor, h.Told = 0, false
	}
	if more := len(h.EndedMinor) - usualMonths; more > 0 {
		h.EndedMinor = slices.Clone(h.EndedMinor[more:])
	}
	h.Month = max(h.Month, month)
	return h
}

// limit returns a share of the usual in percent, but at least so much; false where nothing is usual yet.
func (h *Habit) limit(share, least int64) (int64, bool) {
	n := int64(len(h.EndedMinor))
	if n < enough {
		return 0, false
	}
	var usual, rest int64 // summed up in parts, which fit
	for _, month := range h.EndedMinor {
		usual, rest = usual+month/n, rest+month%n
	}
	usual += rest / n
	switch {
	case usual <= 0:
		return least, true
	case usual > math.MaxInt64/share:
		return math.MaxInt64, true
	}
	return max(usual*share/100, least), true
}

// monthOf returns the month of a time, counted from January of the year 0.
func monthOf(at event.Micros) int64 {
	year, month, _ := at.Time().UTC().Date()
	return int64(year)*12 + int64(month) - 1
}
