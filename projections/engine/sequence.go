package engine

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/refold/refold/projections/projection"
	"github.com/refold/refold/projections/trail"
	"github.com/refold/refold/streams/position"
	"github.com/refold/refold/streams/timeline"
	"github.com/refold/refold/streams/topic"
)

// The past of several sources is folded in the order of the logged rounds, as the present was. What was not folded yet
// when a round was logged has no place in the past: it ends with the last round.
//
// Of a source that has a trail, the records of a key are found by it; the others are read from their beginning. A round
// in which several sources move is read whole, since where an event stands depends on those between: there are as many
// as there are events of the rarer source, and each is short where the task has caught up.

// sequence is the order in which the records of several sources of a partition were folded, up to a bound.
type sequence struct {
	sources   []string
	partition int32
	known     heard
	bound     bound
	end       vector // of the logged rounds
	picker    *timeline.Picker
	clock     func(*timeline.Record) (int64, error)
	each      func(rec *timeline.Record, position int64) error
}

// bound is what no record is at or beyond: a position among the records of all sources, and an offset of the first.
type bound struct{ position, first int64 }

// boundOf returns the bound of a moment; that of a time is not here, nor where all that is there is wanted.
func boundOf(m Moment) bound {
	b := bound{math.MaxInt64, math.MaxInt64}
	switch {
	case !m.Time.IsZero() || m.Position == latest:
	case m.place > 0:
		b.position = m.place
	default:
		b.first = m.Position
	}
	return b
}

// reached tells whether a place is at the bound.
func (b bound) reached(at vector) bool { return at.sum() >= b.position || at[0] >= b.first }

// none tells whether nothing bounds.
func (b bound) none() bool { return b == bound{math.MaxInt64, math.MaxInt64} }

// refoldSeveral is refold where there are several sources.
func (e *Engine) refoldSeveral(ctx context.Context, q Query, f *pastFold, fn func(step) error) error {
	if err := f.moment.come(); err != nil {
		return err
	}
	s, err := e.sequence(ctx, q, f)
	if err != nil {
		return err
	}
	s.each = func(rec *timeline.Record, position int64) error {
		return e.stepOn(ctx, f, step{Record: rec, position: position}, fn)
	}
	customer, trailed := trail.Of(q.Key)
	if trailed && e.trailed(f.definition, map[string]bool{customer: true}) {
		err = e.walkPicked(ctx, s, f, Query{Partition: q.Partition, Key: customer, AsOf: &f.moment})
	} else {
		f.scanned = true
		err = s.walk(ctx)
	}
	if err != nil && !errors.Is(err, errEnough) {
		return err
	}
	switch {
	case !f.moment.Time.IsZero():
	case f.moment.Position == latest:
		f.next, f.first = s.end.sum(), s.end[0]
	case f.moment.place > 0:
		f.next = f.moment.place
	default:
		f.first = f.moment.Position
	}
	return nil
}

// sequence returns the order of the records of a partition, once the bound of the moment is among the logged rounds.
func (e *Engine) sequence(ctx context.Context, q Query, f *pastFold) (*sequence, error) {
	picker, err := e.picker()
	if err != nil {
		return nil, err
	}
	s := &sequence{
		sources: f.definition.Sources, partition: q.Partition, bound: boundOf(f.moment), picker: picker, clock: clockOf(e.cfg.Codec),
		known: heard{e.emitters[q.Projection], q.Partition, sourceSet(f.definition.Sources)},
	}
	for {
		end, changed, err := s.known.end(len(s.sources))
		if err != nil {
			return nil, err
		}
		if s.end = end; s.bound.none() {
			s.bound.position = end.sum() // and none of the rounds to come
		}
		if s.bound.reached(end) {
			return s, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: %s/%d is folded up to %v: %w", ErrBehind, q.Projection, q.Partition, end, ctx.Err())
		}
	}
}

// of returns the partition of a source.
func (s *sequence) of(source int) position.Partition {
	return position.Partition{Topic: s.sources[source], Partition: s.partition}
}

// maxStretch bounds the offsets that are read at a time.
const maxStretch = 10_000

// walk hands on all records, in their order.
func (s *sequence) walk(ctx context.Context) error {
	at := make(vector, len(s.sources))
	for !s.bound.reached(at) {
		stretch, err := s.stretch(at)
		if err != nil || len(stretch) == 0 {
			return err
		}
		end := stretch[len(stretch)-1].end
		read := make([][]*timeline.Record, len(s.sources))
		for i := range s.sources {
			if read[i], err = s.picker.Read(ctx, s.of(i), timeline.Span{Start: at[i], End: end[i]}); err != nil {
				return err
			}
		}
		for _, r := range stretch {
			if s.bound.reached(r.begin) {
				return nil
			}
			if err := s.handOn(r, read); err != nil {
				return err
			}
		}
		at = end
	}
	return nil
}

// stretch returns rounds from a place on, of not many more than maxStretch offsets; none at the end. A round in which
// one source moves alone may be cut anywhere.
func (s *sequence) stretch(at vector) (out []round, err error) {
	for begin := at.sum(); at.sum() < begin+maxStretch; {
		r, more, err := s.known.at(at)
		if err != nil || !more {
			return out, err
		}
		r.begin = at
		if moved := r.alone(); moved >= 0 {
			r.end = slices.Clone(r.end)
			r.end[moved] = min(r.end[moved], at[moved]+maxStretch)
		}
		out, at = append(out, r), r.end
	}
	return out, nil
}

// handOn hands on the records of a round, of those of each source, in their order, up to the bound.
func (s *sequence) handOn(r round, records [][]*timeline.Record) error {
	m := newMerger(s.sources, r.begin, s.clock)
	for i, all := range records {
		from, _ := slices.BinarySearchFunc(all, r.begin[i], compareOffsets)
		to, _ := slices.BinarySearchFunc(all, r.end[i], compareOffsets)
		b := timeline.Batch{Topic: s.sources[i], From: r.begin[i], Records: all[from:to], Next: r.end[i]}
		if err := m.add(b); err != nil {
			return err
		}
	}
	in, _ := m.take(&r, math.MaxInt)
	at := slices.Clone(r.begin)
	for _, rec := range in.records {
		i := slices.Index(s.sources, rec.Topic)
		at[i] = rec.Offset
		if s.bound.reached(at) {
			return errEnough
		}
		if err := s.each(rec, at.sum()); err != nil {
			return err
		}
		at[i]++
	}
	return nil
}

func compareOffsets(rec *timeline.Record, offset int64) int { return int(rec.Offset - offset) }

// visit is a round in which there are records of a key, by source.
type visit struct {
	round
	picks [][]int64
}

// walkPicked hands on the records of a key, and those of the rounds in which they are among those of other sources.
func (e *Engine) walkPicked(ctx context.Context, s *sequence, f *pastFold, key Query) error {
	picks := make([][]int64, len(s.sources))
	for i, name := range s.sources {
		var err error
		if name != topic.Transactions {
			picks[i], err = e.touching(ctx, s, i, f)
		} else {
			picks[i], err = e.trail(ctx, key, s.until(i))
		}
		if err != nil {
			return err
		}
	}
	visits, err := s.visits(picks)
	if err != nil {
		return err
	}
	for len(visits) > 0 {
		n, records := 0, 0
		for ; n < len(visits) && records < atOnce; n++ {
			for _, of := range visits[n].picks {
				records += len(of)
			}
		}
		if err := s.visit(ctx, visits[:n]); err != nil {
			return err
		}
		visits = visits[n:]
	}
	return nil
}

// until returns the offset of a source at and beyond which nothing is handed on.
func (s *sequence) until(source int) int64 {
	if source == 0 {
		return min(s.end[0], s.bound.first)
	}
	return s.end[source]
}

// touching returns where the records of a source stand that touch a row that is wanted.
func (e *Engine) touching(ctx context.Context, s *sequence, source int, f *pastFold) (offsets []int64, err error) {
	touched := false
	probe := f.definition.Only(e.cfg.Codec, func(k projection.Key) bool {
		touched = touched || f.wanted(k)
		return false
	})
	for at, end := int64(0), s.until(source); at < end; at += maxStretch {
		records, err := s.picker.Read(ctx, s.of(source), timeline.Span{Start: at, End: min(at+maxStretch, end)})
		if err != nil {
			return nil, err
		}
		for _, rec := range records {
			touched = false
			if err := probe.Fold(rec); err != nil {
				return nil, fmt.Errorf("record of %s at offset %d: %w", rec.Topic, rec.Offset, err)
			}
			if touched {
				offsets = append(offsets, rec.Offset)
			}
		}
	}
	return offsets, nil
}

// visits returns the rounds that hold some records, in their order.
func (s *sequence) visits(picks [][]int64) ([]visit, error) {
	found := make(map[int64]*visit)
	for i := range s.sources {
		for rest := picks[i]; len(rest) > 0; {
			r, err := s.known.with(i, rest[0])
			if err != nil {
				return nil, err
			}
			v := found[r.begin.sum()]
			if v == nil {
				v = &visit{r, make([][]int64, len(s.sources))}
				found[r.begin.sum()] = v
			}
			n, _ := slices.BinarySearch(rest, r.end[i])
			v.picks[i], rest = rest[:n], rest[n:]
		}
	}
	out := make([]visit, 0, len(found))
	for _, v := range found {
		if !s.bound.reached(v.begin) {
			out = append(out, *v)
		}
	}
	slices.SortFunc(out, func(a, b visit) int { return int(a.begin.sum() - b.begin.sum()) })
	return out, nil
}

// visit hands on the records of some rounds: those that are picked, where one source moves alone, else all.
func (s *sequence) visit(ctx context.Context, visits []visit) (err error) {
	picked := make([][]*timeline.Record, len(s.sources))
	for i := range s.sources {
		var offsets []int64
		for _, v := range visits {
			if v.alone() >= 0 {
				offsets = append(offsets, v.picks[i]...)
			}
		}
		if picked[i], err = s.picker.ReadAt(ctx, s.of(i), offsets); err != nil {
			return err
		}
	}
	for _, v := range visits {
		records := picked
		if v.alone() < 0 {
			records = make([][]*timeline.Record, len(s.sources))
			for i := range s.sources {
				if records[i], err = s.picker.Read(ctx, s.of(i), timeline.Span{Start: v.begin[i], End: v.end[i]}); err != nil {
					return err
				}
			}
		}
		if err := s.handOn(v.round, records); err != nil {
			return err
		}
	}
	return nil
}
