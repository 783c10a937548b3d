package engine

import (
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/refold/refold/schemas/event"
)

// Where a projection has several sources, its rows depend on the order in which the events of one come among those
// of another. That order is made once, by the live task, and kept for ever: as the rounds that it folded, each from
// one place in the sources to another. Inside a round events come by the time at which they were recorded, ties by
// topic, and never before another one of their own partition. A round is logged (topic.Rounds) before any of its rows
// is saved, and whoever folds these sources for the projection, then or later, ends its rounds where the logged ones
// end.
//
// So the events of all sources of a task make one sequence, along which every source only goes forward: the sum of
// the next offsets grows with each event, and says which place in the sequence is meant. That sum is the position of
// a task, a row and a checkpoint, as the offset is where there is one source.

// vector is a place in several sources: the next offset of each, in the order in which the projection names them.
type vector []int64

// sum is the position that a vector is in the order of all events.
func (v vector) sum() (sum int64) {
	for _, next := range v {
		sum += next
	}
	return sum
}

// covers tells whether v is at or beyond o in every source.
func (v vector) covers(o vector) bool {
	for i := range o {
		if v[i] < o[i] {
			return false
		}
	}
	return true
}

// round is what is folded from one place to another.
type round struct{ begin, end vector }

// alone returns the one source that moves in a round, -1 where several do. Rounds in which the same one moves alone
// are as good as one round, and are logged as one.
func (r round) alone() int {
	moved := -1
	for i := range r.end {
		if r.end[i] == r.begin[i] {
			continue
		}
		if moved >= 0 {
			return -1
		}
		moved = i
	}
	return moved
}

// joins tells whether a round and the one after it are as good as one.
func (r round) joins(after round) bool {
	moved := r.alone()
	return moved >= 0 && moved == after.alone() && slices.Equal(r.end, after.begin)
}

// course is the rounds of a projection, a set of sources and a partition, in their order. Each begins where the one
// before ended.
//
// They are kept whole, for as long as the partition is held: what is kept of one is where it ended, eight bytes for
// each source. There are as many as the sources take turns, about two for every event of the rarer source.
type course struct {
	sources int
	ends    []int64 // of one round after the other
}

// len returns how many rounds there are.
func (c *course) len() int {
	if c.sources == 0 {
		return 0
	}
	return len(c.ends) / c.sources
}

// round returns a round, which is the caller's.
func (c *course) round(i int) round {
	return round{begin: c.before(i), end: slices.Clone(c.ended(i))}
}

// ended returns where a round ended, of which the last may still go on.
func (c *course) ended(i int) vector { return c.ends[i*c.sources : (i+1)*c.sources] }

// before returns where a round began.
func (c *course) before(i int) vector {
	if i == 0 {
		return make(vector, c.sources)
	}
	return slices.Clone(c.ended(i - 1))
}

// errCourse is wrapped where the logged rounds are not what they must be: one is missing, or another was logged in
// its place.
var errCourse = errors.New("the logged rounds do not follow each other")

// errOverruled is wrapped where a round cannot be logged because another one was, which begins at the same place. Who
// folded it folds anew from what it has saved.
var errOverruled = errors.New("another round was logged in the place of this one")

// end returns where the last round ended: of n sources, at their beginnings where there is none.
func (c *course) end(n int) vector {
	if c.len() == 0 {
		return make(vector, n)
	}
	return slices.Clone(c.ended(c.len() - 1))
}

// add takes a round as it was logged. One that begins where the last one begins goes on with it.
func (c *course) add(r round) error {
	if c.holds(r) {
		return nil
	}
	if n := c.len(); n > 0 {
		last, moved := c.round(n-1), r.alone()
		if slices.Equal(r.begin, last.begin) && r.end.covers(last.end) && moved >= 0 && moved == last.alone() {
			copy(c.ended(n-1), r.end)
			return nil
		}
	}
	if !slices.Equal(r.begin, c.end(len(r.begin))) {
		return fmt.Errorf("%w: one from %v to %v comes after one to %v", errCourse, r.begin, r.end, c.end(len(r.begin)))
	}
	c.sources, c.ends = len(r.end), append(c.ends, r.end...)
	return nil
}

// at returns the round that goes on at a place, or begins there; false beyond the last one.
func (c *course) at(v vector) (round, bool, error) {
	i := c.search(v.sum() + 1)
	if i == c.len() {
		if end := c.end(len(v)); !slices.Equal(v, end) {
			return round{}, false, fmt.Errorf("%w: they end at %v, and rows were folded to %v", errCourse, end, v)
		}
		return round{}, false, nil
	}
	r := c.round(i)
	if !v.covers(r.begin) || !r.end.covers(v) {
		return round{}, false, fmt.Errorf("%w: rows were folded to %v, which is not between %v and %v", errCourse, v, r.begin, r.end)
	}
	return r, true, nil
}

// with returns the round in which the event at an offset of a source was folded; false where it was not yet.
func (c *course) with(source int, offset int64) (round, bool) {
	i := sort.Search(c.len(), func(i int) bool { return c.ended(i)[source] > offset })
	if i == c.len() {
		return round{}, false
	}
	return c.round(i), true
}

// search returns the first round that ends at or beyond a position.
func (c *course) search(position int64) int {
	return sort.Search(c.len(), func(i int) bool { return c.ended(i).sum() >= position })
}

// holds tells whether a round is logged, by itself or as a part of one in which its source moves alone.
func (c *course) holds(r round) bool {
	i := c.search(r.end.sum())
	if i == c.len() {
		return false
	}
	logged := c.round(i)
	if slices.Equal(r.begin, logged.begin) && slices.Equal(r.end, logged.end) {
		return true
	}
	moved := logged.alone()
	return moved >= 0 && moved == r.alone() && r.begin.covers(logged.begin) && logged.end.covers(r.end)
}

// follow returns what is to be logged for some rounds to follow the last one: nothing for those that are logged
// already. What neither follows nor is logged is errOverruled.
func (c *course) follow(rounds []round) (records []round, err error) {
	for _, r := range rounds {
		if len(records) == 0 && c.holds(r) {
			continue
		}
		last := round{end: c.end(len(r.begin))}
		if n := len(records); n > 0 {
			last = records[n-1]
		} else if n := c.len(); n > 0 {
			last = c.round(n - 1)
		}
		if !slices.Equal(r.begin, last.end) {
			return nil, fmt.Errorf("%w: it is from %v to %v, they end at %v", errOverruled, r.begin, r.end, last.end)
		}
		if last.begin != nil && last.joins(r) {
			r.begin, records = last.begin, records[:max(0, len(records)-1)]
		}
		records = append(records, r)
	}
	return records, nil
}

// sourceSet names the sources that a vector is of.
func sourceSet(topics []string) string { return strings.Join(topics, " ") }

// roundRecord returns a round as it is logged.
func roundRecord(projection string, partition int32, sources []string, r round) *event.RoundEnded {
	out := &event.RoundEnded{Projection: projection, Partition: partition}
	for i, topic := range sources {
		out.Begin = append(out.Begin, event.SourceOffset{Topic: topic, Offset: r.begin[i]})
		out.End = append(out.End, event.SourceOffset{Topic: topic, Offset: r.end[i]})
	}
	return out
}

// roundOf returns the round that a record says was folded, and its set of sources.
func roundOf(e *event.RoundEnded) (round, string, error) {
	var r round
	var topics []string
	if len(e.Begin) != len(e.End) {
		return r, "", fmt.Errorf("%w: one begins in %d sources and ends in %d", errCourse, len(e.Begin), len(e.End))
	}
	for i, s := range e.Begin {
		if e.End[i].Topic != s.Topic || e.End[i].Offset < s.Offset {
			return r, "", fmt.Errorf("%w: one goes from %v to %v", errCourse, e.Begin, e.End)
		}
		topics = append(topics, strings.Clone(s.Topic))
		r.begin, r.end = append(r.begin, s.Offset), append(r.end, e.End[i].Offset)
	}
	return r, sourceSet(topics), nil
}
