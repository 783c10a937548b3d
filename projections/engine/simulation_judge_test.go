//go:build synctests

package engine_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/refold/refold/projections/acts"
	"github.com/refold/refold/projections/projection"
	"github.com/refold/refold/projections/store"
	"github.com/refold/refold/schemas/codec"
	"github.com/refold/refold/schemas/event"
	"github.com/refold/refold/streams/cluster"
	"github.com/refold/refold/streams/timeline"
	"github.com/refold/refold/streams/topic"
)

// decided returns what the acts say, by a process that has folded them all.
func (w *world) decided() (acts.Projection, error) {
	p := w.some()
	if p == nil {
		return acts.Projection{}, errGone
	}
	ctx, cancel := context.WithTimeout(w.Context(), time.Second)
	defer cancel()
	if err := p.acts.Ready(ctx); err != nil {
		return acts.Projection{}, err
	}
	state, _ := p.acts.State()
	return state.Projection(simulated), nil
}

// left says what is not folded and told yet.
func (w *world) left() string {
	w.Helper()
	p, err := w.decided()
	if err != nil {
		return err.Error()
	}
	if p.Live == 0 {
		return "there is no generation"
	}
	ends, err := cluster.Ends(w.Context(), w.producer, topic.Transactions)
	if err != nil {
		w.Fatal(err)
	}
	for _, g := range p.Generations {
		for partition, end := range ends {
			_, c := w.shelf.read(taskOf{store.Generation{Projection: simulated, Number: g.Number}, partition})
			switch {
			case g.Cancelled:
			case c.Next < end:
				return fmt.Sprintf("generation %d has folded partition %d up to %d of %d", g.Number, partition, c.Next, end)
			case w.plan.mended && len(c.Parked) > 0:
				return fmt.Sprintf("generation %d, partition %d: a row is parked that was retried: %+v", g.Number, partition, c.Parked[0])
			}
		}
	}
	// Behind a transaction of the dead nobody can read until the broker ends it, though all is folded and told.
	if _, v := w.effects(p); len(v.untold) > 0 {
		return v.untold[0]
	}
	return ""
}

// effects folds the log and judges the effects that were published.
func (w *world) effects(p acts.Projection) (*model, verdict) {
	w.Helper()
	m, err := newModel(w.Context(), w, p)
	if err != nil {
		w.Fatal(err)
	}
	var found []event.NotificationRequested
	err = scanned(w.Context(), w.cluster, topic.Notifications, func(rec *timeline.Record) error {
		e, err := decode[event.NotificationRequested](w.Context(), w.codec, rec)
		found = append(found, e)
		return err
	})
	if err != nil {
		w.Fatal(err)
	}
	return m, m.judge(found, p, w.shelf.waits)
}

// judge holds rows, effects and what was seen against a fold by one hand.
func (w *world) judge(seen []sight) {
	p, err := w.decided()
	if err != nil {
		w.Fatal(err)
	}
	m, v := w.effects(p)
	for _, s := range seen {
		if problem := m.problem(rowAt{s.partition, s.key}, s); problem != "" {
			w.Errorf("a reader of %d/%d at %d: %s", s.generation, s.partition, s.next, problem)
		}
	}
	for _, g := range p.Generations {
		for partition := range w.plan.partitions {
			if !g.Cancelled {
				w.rows(m, taskOf{store.Generation{Projection: simulated, Number: g.Number}, partition})
			}
		}
	}
	for _, problem := range slices.Concat(v.wrong, v.untold, w.shelf.problems) {
		w.Error(problem)
	}
	w.counts["effects"], w.counts["effects that a cancelled generation left unsaid"] = v.effects, v.unsaid
	w.counts["effects of rows that stand still"], w.counts["parkings"] = v.waiting, len(w.shelf.parkings)
	w.counts["events"], w.counts["rows seen"] = int(w.number), len(seen)
	w.counts["generations"], w.counts["changes of what is live"] = len(p.Generations), len(p.Reigns)-1
}

// rows checks that a task has every row as it must be and no other row.
func (w *world) rows(m *model, of taskOf) {
	rows, c := w.shelf.read(of)
	parked := make(map[string]int64)
	for _, p := range c.Parked {
		parked[string(p.Key)] = p.Position
	}
	for row := range m.rows {
		key := string(projection.Key{Partition: row.key}.Encode())
		at, standing := parked[key]
		if !standing {
			at = -1
		}
		if row.partition != of.partition {
			continue
		}
		problem := m.settled(row, decoded(w.T, rows[key]), at)
		if problem != "" && standing && w.shelf.parkedLate(parking{of, row.key, at}) {
			problem = m.settled(row, decoded(w.T, rows[key]), -1)
		}
		if problem != "" {
			w.Errorf("generation %d, partition %d: %s", of.Number, of.partition, problem)
		}
		delete(rows, key)
	}
	for key := range rows {
		w.Errorf("generation %d, partition %d: row %q is of no event", of.Number, of.partition, key)
	}
}

// decoded returns what a row says, nil where there is none.
func decoded(t *testing.T, value []byte) *version {
	t.Helper()
	if value == nil {
		return nil
	}
	c, err := codec.RowOf[simulatedRow]()
	if err != nil {
		t.Fatal(err)
	}
	var v version
	if v.offset, err = projection.Decode(c, value, &v.simulatedRow); err != nil {
		t.Error(err)
	}
	return &v
}
