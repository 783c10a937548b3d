//go:build synctests

package engine_test

import (
	"fmt"
	"slices"

	"github.com/refold/refold/projections/acts"
	"github.com/refold/refold/schemas/event"
	"github.com/refold/refold/streams/topic"
)

// told is an effect: who is told of which event by the fold of which row.
type told struct {
	who    string
	row    rowAt
	number int64
}

// verdict is what is to be said of the effects that were found.
type verdict struct {
	effects int
	// wrong were told twice, or are no news, or say what the row never was; untold are news that are not told.
	wrong, untold []string
	// unsaid is how many are not told that a generation owed which was cancelled. A process that ends before such a
	// one has told what it owes leaves it unsaid. Waiting is how many are of rows that stand still, or of which it was
	// lost that they did.
	unsaid, waiting int
}

// waits tells whether a row of a generation stood still at an offset, so that what is beyond is not told.
type waits func(generation int64, row rowAt, offset int64) bool

// judge says which effects are not told once.
func (m *model) judge(found []event.NotificationRequested, p acts.Projection, waits waits) verdict {
	out := verdict{effects: len(found)}
	want := m.news(p)
	ids := make(map[string]bool)
	times := make(map[told]int)
	for _, e := range found {
		if ids[e.EffectID] {
			out.wrong = append(out.wrong, fmt.Sprintf("the effect %s of %s/%d at %d was published again", e.EffectID, e.SourceTopic, e.SourcePartition, e.SourceOffset))
		}
		ids[e.EffectID] = true
		n := told{e.CustomerID, rowAt{e.SourcePartition, e.AccountID}, e.AmountMinor}
		times[n]++
		if !m.was(n.row, version{e.SourceOffset, simulatedRow{Order: e.BalanceMinor}}) {
			out.wrong = append(out.wrong, fmt.Sprintf("%+v was told with an order that its row never had", n))
		}
	}
	for n, times := range times {
		if times > want[n].times {
			out.wrong = append(out.wrong, fmt.Sprintf("%+v was told %d times, and is news %d times", n, times, want[n].times))
		}
	}
	for n, w := range want {
		left := w.times - times[n]
		switch {
		case left <= 0 || slices.Contains(m.discarded[n.row], w.offset):
		case w.by.Cancelled:
			out.unsaid += left
		case waits(w.by.Number, n.row, w.offset):
			out.waiting += left
		default:
			out.untold = append(out.untold, fmt.Sprintf("%+v of offset %d was not told %d times", n, w.offset, left))
		}
	}
	return out
}

// was tells whether a row had an order after an event, whatever was discarded from it by then.
func (m *model) was(row rowAt, v version) bool {
	for discards := range len(m.discarded[row]) + 1 {
		versions, _ := m.versions(row, discards)
		if slices.ContainsFunc(versions, func(other version) bool { return other.offset == v.offset && other.Order == v.Order }) {
			return true
		}
	}
	return false
}

// news is an effect that is to be told so often, by a generation.
type news struct {
	times  int
	offset int64
	by     acts.Generation
}

// news returns what is to be told.
func (m *model) news(p acts.Projection) map[told]news {
	out := make(map[told]news)
	for row, entries := range m.rows {
		for _, e := range entries {
			g, ok := p.Generation(reignOf(p, row.partition, e.offset))
			if !ok {
				continue
			}
			for _, who := range toldOf(row.key, e.number) {
				n := told{who, row, e.number}
				out[n] = news{out[n].times + 1, e.offset, g}
			}
		}
	}
	return out
}

// reignOf returns the generation that emits the effects of an event, 0 where nobody does.
func reignOf(p acts.Projection, partition int32, offset int64) int64 {
	for _, reign := range slices.Backward(p.Reigns) {
		if reign.Begins(topic.Transactions, partition) <= offset {
			return reign.Generation
		}
	}
	return 0
}
