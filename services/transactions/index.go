package transactions

import (
	"github.com/refold/refold/projections/ledger"
	"github.com/refold/refold/projections/projection"
	"github.com/refold/refold/schemas/event"
)

// window is the time after one moment and up to another; after the year 1970 where nothing else is said.
type window struct{ after, to event.Micros }

func (w window) holds(at event.Micros) bool { return w.after < at && at <= w.to }

// items calls fn for the items of an index in a window, those of an earlier minute first, until it returns
// false.
func (v *view) items(index string, w window, fn func(ledger.Item) bool) {
	for _, day := range v.times(ledger.DaysKey(index), w, ledger.Day) {
		for _, minute := range v.times(ledger.DayKey(index, day), w, ledger.Minute) {
			if !v.itemsOf(ledger.MinuteKey(index, minute), w, fn) {
				return
			}
		}
	}
}

// itemsOf returns what the last call of fn did.
func (v *view) itemsOf(minute projection.Key, w window, fn func(ledger.Item) bool) bool {
	found := v.row(minute).Index
	if found == nil {
		return true
	}
	for _, i := range found.Items {
		if w.holds(i.At) && !fn(i) {
			return false
		}
	}
	return true
}

// times returns the days or minutes of a row of an index that reach into a window.
func (v *view) times(key projection.Key, w window, long event.Micros) []event.Micros {
	var out []event.Micros
	if found := v.row(key).Index; found != nil {
		for _, t := range found.Times {
			if t.At <= w.to && t.At+long > w.after {
				out = append(out, t.At)
			}
		}
	}
	return out
}
