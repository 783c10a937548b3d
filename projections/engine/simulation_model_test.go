//go:build synctests

package engine_test

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/refold/refold/projections/acts"
	"github.com/refold/refold/projections/projection"
	"github.com/refold/refold/schemas/codec"
	"github.com/refold/refold/schemas/event"
	"github.com/refold/refold/streams/cluster"
	"github.com/refold/refold/streams/timeline"
	"github.com/refold/refold/streams/topic"
)

// model is a fold of the log by one hand.
type model struct {
	poison *poison
	// rows are the events of each row.
	rows map[rowAt][]entry
	// discarded are the offsets of the events that were left out of each row, in the order in which that was decided.
	discarded map[rowAt][]int64
}

// entry is an event of a row.
type entry struct {
	offset, number int64
	at             time.Time
}

// version is a row after one event.
type version struct {
	offset int64
	simulatedRow
}

// scanned calls each for the committed records of a topic, partition by partition in order.
func scanned(ctx context.Context, c cluster.Cluster, name string, each func(*timeline.Record) error) error {
	spans, err := timeline.Spans(ctx, c, name)
	if err != nil {
		return err
	}
	return timeline.Scan(ctx, c, name, spans, func(b timeline.Batch) error {
		for _, rec := range b.Records {
			if err := each(rec); err != nil {
				return err
			}
		}
		return nil
	})
}

// decode decodes a record.
func decode[E any](ctx context.Context, c *codec.Codec, rec *timeline.Record) (out E, err error) {
	schema, err := c.Lookup(ctx, rec.Value)
	if err != nil {
		return out, err
	}
	return out, schema.Decode(rec.Value, &out)
}

// newModel reads the log. What was decided about rows is as p says.
func newModel(ctx context.Context, w *world, p acts.Projection) (*model, error) {
	m := &model{poison: w.poison, rows: make(map[rowAt][]entry), discarded: make(map[rowAt][]int64)}
	for _, a := range p.Rows {
		row := rowAt{a.Partition, projection.DecodeKey(a.Key).Partition}
		if a.Discarded && !slices.Contains(m.discarded[row], a.Position) {
			m.discarded[row] = append(m.discarded[row], a.Position)
		}
	}
	return m, scanned(ctx, w.cluster, topic.Transactions, func(rec *timeline.Record) error {
		e, err := decode[event.EntryPosted](ctx, w.codec, rec)
		if err != nil {
			return err
		}
		number := e.Legs[1].AmountMinor
		for _, key := range keysOf(e.CustomerID, number) {
			row := rowAt{rec.Partition, key}
			m.rows[row] = append(m.rows[row], entry{rec.Offset, number, rec.Timestamp})
		}
		return nil
	})
}

// versions folds a row without the first so many of the events that were discarded from it, up to the first event that
// the fold fails at to the last, whose offset is bad; -1 where there is none.
func (m *model) versions(row rowAt, discards int) (out []version, bad int64) {
	var next version
	for _, e := range m.rows[row] {
		if slices.Contains(m.discarded[row][:discards], e.offset) {
			continue
		}
		if fails, _ := m.poison.fails(row.key, e.number); fails {
			return out, e.offset
		}
		next.add(e.number)
		next.offset = e.offset
		out = append(out, next)
	}
	return out, -1
}

// last returns the last of versions of before an offset, -1 where there is none.
func last(versions []version, before int64) int {
	n := slices.IndexFunc(versions, func(v version) bool { return v.offset >= before })
	if n < 0 {
		n = len(versions)
	}
	return n - 1
}

// problem says what is wrong with a row that was found in a task folded up to next; "" where nothing is. What is stored
// may be ahead of that, as a row is written before the checkpoint, and never behind. How many of the discards the task
// had followed is not known, but in the end it is all.
func (m *model) problem(row rowAt, s sight) string {
	var problem string
	for discards := range len(m.discarded[row]) + 1 {
		versions, bad := m.versions(row, discards)
		if problem = m.wrong(row, s, versions, bad); problem == "" {
			return ""
		}
	}
	return problem
}

// wrong says what is wrong with a row, if these are its versions.
func (m *model) wrong(row rowAt, s sight, versions []version, bad int64) string {
	is, must := -1, last(versions, s.next)
	if s.found != nil {
		if is = slices.Index(versions, *s.found); is < 0 {
			return fmt.Sprintf("row %q is %+v, and never was: %+v", row.key, *s.found, versions)
		}
	}
	switch {
	case s.parked && !slices.ContainsFunc(m.rows[row], func(e entry) bool {
		_, ever := m.poison.fails(row.key, e.number)
		return ever && e.offset < s.next && e.at.Equal(s.since) && is >= last(versions, e.offset)
	}):
		return fmt.Sprintf("row %q is %+v, parked since %s, at %d, where no event is bad, or it must have been folded further: %+v", row.key, s.found, s.since, s.next, versions)
	case s.parked:
	case bad >= 0 && bad < s.next:
		return fmt.Sprintf("row %q is not parked, and the event at %d is bad", row.key, bad)
	case is < must:
		return fmt.Sprintf("row %q is %+v, and must be %+v", row.key, s.found, versions[must])
	}
	return ""
}

// settled says what is wrong with a row in the end, when everything is folded and every discard is followed; parked is
// the offset at which it stands still, -1 where it does not.
func (m *model) settled(row rowAt, found *version, parked int64) string {
	versions, bad := m.versions(row, len(m.discarded[row]))
	until := int64(math.MaxInt64)
	if parked >= 0 {
		until = parked
		i := slices.IndexFunc(m.rows[row], func(e entry) bool { return e.offset == parked })
		if i < 0 || slices.Contains(m.discarded[row], parked) {
			return fmt.Sprintf("row %q is parked at %d, which is discarded or no event of it", row.key, parked)
		}
		if _, ever := m.poison.fails(row.key, m.rows[row][i].number); !ever {
			return fmt.Sprintf("row %q is parked at %d, which is not bad", row.key, parked)
		}
	}
	must := last(versions, until)
	switch {
	case bad >= 0 && (parked < 0 || parked > bad):
		return fmt.Sprintf("row %q is parked at %d, and the event at %d is bad", row.key, parked, bad)
	case len(versions) == 0 && len(m.discarded[row]) > 0: // a store cannot take a row away whose only event is discarded
		return ""
	case found == nil && must < 0, found != nil && must >= 0 && *found == versions[must]:
		return ""
	case must < 0:
		return fmt.Sprintf("row %q is %+v, and must not be there", row.key, *found)
	case found == nil:
		return fmt.Sprintf("row %q is not there, and must be %+v", row.key, versions[must])
	}
	return fmt.Sprintf("row %q is %+v, and must be %+v, parked at %d", row.key, *found, versions[must], parked)
}
