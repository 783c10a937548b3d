package engine

import (
	"math"

	"github.com/refold/refold/projections/acts"
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
// One that cannot emit is not waited for: it is cancelled, this build cannot fold it, or its task stands still.
// What it has not emitted is then published by its ids, if somebody wants it (effects release).
type rule struct {
	source string
	reigns []acts.Reign
	// out are the generations that cannot emit.
	out map[int64]bool
	// still are the tasks that stand still.
	still map[voice]bool
	// released are the positions of each partition up to which whoever emits has released.
	released map[int32]int64
	// complete are the positions from which the marks of a partition are known to say all.
	complete map[int32]int64
	changed  chan struct{} // closed and replaced when any of it changes
}

// voice is one task of one generation.
type voice struct {
	generation int64
	partition  int32
}

func newRule(source string) rule {
	return rule{
		source: source, still: make(map[voice]bool), released: make(map[int32]int64),
		complete: make(map[int32]int64), changed: make(chan struct{}),
	}
}

// announce wakes those who wait for a change.
func (r *rule) announce() {
	close(r.changed)
	r.changed = make(chan struct{})
}

// emits tells whether a task emits the effects of the event at a position.
func (r *rule) emits(v voice, position int64) bool {
	for i := len(r.reigns) - 1; i >= 0; i-- {
		if r.reigns[i].Begins(r.source, v.partition) <= position {
			return r.reigns[i].Generation == v.generation
		}
	}
	return false
}

// speaks tells whether a task emits the effects of any event from one position to another.
func (r *rule) speaks(v voice, from, to int64) bool {
	for i, reign := range r.reigns {
		last := to
		if i+1 < len(r.reigns) {
			last = min(last, r.reigns[i+1].Begins(r.source, v.partition)-1)
		}
		if reign.Generation == v.generation && max(from, reign.Begins(r.source, v.partition)) <= last {
			return true
		}
	}
	return false
}

// limit returns up to where a task that is at next may fold now.
func (r *rule) limit(v voice, next int64) int64 {
	for i, reign := range r.reigns {
		end := int64(math.MaxInt64)
		if i+1 < len(r.reigns) {
			end = r.reigns[i+1].Begins(r.source, v.partition)
		}
		begin := reign.Begins(r.source, v.partition)
		if end <= next || begin >= end {
			continue
		}
		free := reign.Generation == v.generation || r.out[reign.Generation] || r.still[voice{reign.Generation, v.partition}]
		if released := r.released[v.partition]; !free && released < end {
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

func (e *emitter) emits(v voice, position int64) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.rule.emits(v, position)
}

func (e *emitter) speaks(v voice, from, to int64) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.rule.speaks(v, from, to)
}

// limit returns up to where a task may fold, and what is closed when that may have changed.
func (e *emitter) limit(v voice, next int64) (int64, <-chan struct{}) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.rule.limit(v, next), e.rule.changed
}

// passed returns up to where a task that has folded everything below next has released what was its to emit: the end
// of its last reign that began before, where it has gone beyond it. It may have done so before it knew of the next
// reign, whose generation waits for it all the same.
func (r *rule) passed(v voice, next int64) (released int64) {
	for i, reign := range r.reigns {
		end := next
		if i+1 < len(r.reigns) {
			end = min(next, r.reigns[i+1].Begins(r.source, v.partition))
		}
		if reign.Generation == v.generation && reign.Begins(r.source, v.partition) < end {
			released = end
		}
	}
	return released
}

// passed notes that a task has released all effects below a position that were its to emit.
func (e *emitter) passed(v voice, next int64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if released := e.rule.passed(v, next); released > e.rule.released[v.partition] {
		e.rule.released[v.partition] = released
		e.rule.announce()
	}
}

// owes tells whether a task has yet to release what stands in a reign of its generation that has ended.
func (e *emitter) owes(v voice) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	for i, reign := range e.rule.reigns {
		if i+1 == len(e.rule.reigns) || reign.Generation != v.generation {
			continue
		}
		end := e.rule.reigns[i+1].Begins(e.rule.source, v.partition)
		if reign.Begins(e.rule.source, v.partition) < end && e.rule.released[v.partition] < end {
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

// known notes that the marks of a partition say all that was emitted at or beyond a position.
func (e *emitter) known(partition int32, position int64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if before, ok := e.rule.complete[partition]; !ok || position < before {
		e.rule.complete[partition] = position
	}
}

// forget says that others may emit from now on what these partitions hold.
func (e *emitter) forget(partitions []int32) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, p := range partitions {
		delete(e.rule.complete, p)
		delete(e.rule.released, p)
	}
}
