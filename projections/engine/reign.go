package engine

import (
	"maps"
	"math"
	"slices"

	"github.com/refold/refold/projections/acts"
	"github.com/refold/refold/projections/store"
	"github.com/refold/refold/streams/position"
	"github.com/refold/refold/streams/timeline"
)

// rule says who emits what. An event's effects are emitted by the generation in whose reign the event stands, as
// the acts say; nobody emits those of events before the first reign.
//
// No other generation folds an event before that one has released its effects. So when a generation becomes live,
// every event that it has folded in silence was emitted by the one before; and that one goes on until it has
// reached the position at which the new reign begins. There the new one goes on, with no event between that both
// emit, or neither.
//
//	sources end at 7 ─┐ (promotion of generation 2)
//	events  1 2 3 4 5 6 7 8 9
//	1 emits ├───────────┤           2 waits for 1 up to 7, folds 7 and on, and 1 waits for 2
//	2 emits             ├───────
//
// Where there are several sources, each is judged by itself: an event stands where it stands in its own.
//
// One that cannot emit is not waited for: it is cancelled, this build cannot fold it, it does not read the source, or
// its task stands still.
// What it has not emitted is then published by its ids, if somebody wants it (effects release).
type rule struct {
	reigns []acts.Reign
	// out are the generations that cannot emit, reads what each reads, as far as it is known.
	out   map[int64]bool
	reads map[int64][]string
	// still are the tasks that stand still.
	still map[voice]bool
	// released are the positions of each source up to which whoever emits has released.
	released map[position.Partition]int64
	// complete are the positions of each source from which the marks are known to say all.
	complete map[position.Partition]int64
	changed  chan struct{} // closed and replaced when any of it changes
}

// voice is one task of one generation.
type voice struct {
	generation int64
	partition  int32
}

func newRule() rule {
	return rule{
		still: make(map[voice]bool), released: make(map[position.Partition]int64),
		complete: make(map[position.Partition]int64), changed: make(chan struct{}),
	}
}

// of returns the partition of a source that a task folds.
func (v voice) of(topic string) position.Partition {
	return position.Partition{Topic: topic, Partition: v.partition}
}

// announce wakes those who wait for a change.
func (r *rule) announce() {
	close(r.changed)
	r.changed = make(chan struct{})
}

// emits tells whether a task emits the effects of the event at a position of a source.
func (r *rule) emits(v voice, source string, position int64) bool {
	i := r.at(v.of(source), position)
	return i >= 0 && r.reigns[i].Generation == v.generation
}

// at returns which reign a position of a source stands in, -1 where it is before the first.
func (r *rule) at(source position.Partition, position int64) int {
	for i := len(r.reigns) - 1; i >= 0; i-- {
		if r.reigns[i].Begins(source.Topic, source.Partition) <= position {
			return i
		}
	}
	return -1
}

// speaks tells whether a task emits the effects of any event of a span of a source.
func (r *rule) speaks(v voice, source string, of timeline.Span) bool {
	for i, reign := range r.reigns {
		end := of.End
		if i+1 < len(r.reigns) {
			end = min(end, r.reigns[i+1].Begins(source, v.partition))
		}
		if reign.Generation == v.generation && max(of.Start, reign.Begins(source, v.partition)) < end {
			return true
		}
	}
	return false
}

// limit returns up to where a task that is at next of a source may fold it now.
func (r *rule) limit(v voice, source string, next int64) int64 {
	for i, reign := range r.reigns {
		end := int64(math.MaxInt64)
		if i+1 < len(r.reigns) {
			end = r.reigns[i+1].Begins(source, v.partition)
		}
		begin := reign.Begins(source, v.partition)
		if end <= next || begin >= end {
			continue
		}
		reads, known := r.reads[reign.Generation]
		free := reign.Generation == v.generation || r.out[reign.Generation] || r.still[voice{reign.Generation, v.partition}] ||
			known && !slices.Contains(reads, source)
		if released := r.released[v.of(source)]; !free && released < end {
			return max(next, begin, released)
		}
	}
	return math.MaxInt64
}

// rules tells the emitter what was decided, and which generations cannot emit; nil is those that it knows of.
func (e *emitter) rules(reigns []acts.Reign, out map[int64]bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if out == nil {
		out = e.rule.out
	}
	if len(reigns) == len(e.rule.reigns) && len(out) == len(e.rule.out) {
		return // both only grow
	}
	e.rule.reigns, e.rule.out = reigns, out
	e.version.Add(1)
	e.rule.announce()
}

func (e *emitter) emits(v voice, source string, position int64) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.rule.emits(v, source, position)
}

func (e *emitter) speaks(v voice, source string, of timeline.Span) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.rule.speaks(v, source, of)
}

// limit returns up to where a task may fold a source, and what is closed when that may have changed.
func (e *emitter) limit(v voice, source string, next int64) (int64, <-chan struct{}) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.rule.limit(v, source, next), e.rule.changed
}

// passed returns up to where a task that has folded a source below next has released what was its to emit: the end
// of its last reign that began before, where it has gone beyond it. It may have done so before it knew of the next
// reign, whose generation waits for it all the same.
func (r *rule) passed(v voice, source string, next int64) (released int64) {
	for i, reign := range r.reigns {
		end := next
		if i+1 < len(r.reigns) {
			end = min(next, r.reigns[i+1].Begins(source, v.partition))
		}
		if reign.Generation == v.generation && reign.Begins(source, v.partition) < end {
			released = end
		}
	}
	return released
}

// passed notes that a task has released all effects of its sources that were its to emit, up to a checkpoint.
func (e *emitter) passed(v voice, saved store.Checkpoint) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, s := range sourcesIn(saved, e.cfg.source) {
		if released := e.rule.passed(v, s.Topic, s.Next); released > e.rule.released[v.of(s.Topic)] {
			e.rule.released[v.of(s.Topic)] = released
			e.rule.announce()
		}
	}
}

// owes tells whether a task has yet to release what stands in a reign of its generation that has ended.
func (e *emitter) owes(v voice) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	reads, known := e.rule.reads[v.generation]
	if !known {
		reads = []string{e.cfg.source}
	}
	return slices.ContainsFunc(reads, func(source string) bool { return e.rule.owes(v, source) })
}

func (r *rule) owes(v voice, source string) bool {
	for i, reign := range r.reigns {
		if i+1 == len(r.reigns) || reign.Generation != v.generation {
			continue
		}
		end := r.reigns[i+1].Begins(source, v.partition)
		if reign.Begins(source, v.partition) < end && r.released[v.of(source)] < end {
			return true
		}
	}
	return false
}

// stands notes whether a task stands still.
func (e *emitter) stands(v voice, still bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.rule.still[v] != still {
		e.rule.still[v] = still
		e.rule.announce()
	}
}

// known notes that the marks say all that was emitted at or beyond a checkpoint.
func (e *emitter) known(v voice, began store.Checkpoint) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, s := range sourcesIn(began, e.cfg.source) {
		if before, ok := e.rule.complete[v.of(s.Topic)]; !ok || s.Next < before {
			e.rule.complete[v.of(s.Topic)] = s.Next
		}
	}
}

// forget says that others may emit from now on what these partitions hold.
func (e *emitter) forget(partitions []int32) {
	e.mu.Lock()
	defer e.mu.Unlock()
	lost := func(at position.Partition, _ int64) bool { return slices.Contains(partitions, at.Partition) }
	maps.DeleteFunc(e.rule.complete, lost)
	maps.DeleteFunc(e.rule.released, lost)
	for _, p := range partitions {
		delete(e.rounds, p)
	}
}
