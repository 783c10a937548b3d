package engine

import "strconv"

// A reign begins where the sources ended when it was decided, and until the generation before hears of it that one may
// have told of events beyond. What it told stays told: the marks silence those events in the new generation, too. But a
// row may have been parked in the one before that goes on in the new one, and of that row nobody would tell. So every
// effect names the generation that emitted it, and where one has strayed into the reign of another, that other looks
// for its effects by their ids.

// strayed tells whether another generation told of events in the reign that effects of a release stand in, at or beyond
// them.
func (e *emitter) strayed(r *release) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	for by, last := range e.marks.emitted {
		if by.source.Partition != r.partition || by.generation == r.generation || by.generation == 0 {
			continue
		}
		reign := e.rule.at(by.source, last)
		for _, o := range r.effects {
			if o.source == by.source.Topic && o.position <= last && e.rule.at(by.source, o.position) == reign {
				return true
			}
		}
	}
	return false
}

// originOf is how an effect names the generation that emitted it.
func originOf(generation int64) string { return strconv.FormatInt(generation, 10) }

// generationOf returns the generation that an effect names, 0 where it names none.
func generationOf(origin string) int64 {
	generation, err := strconv.ParseInt(origin, 10, 64)
	if err != nil {
		return 0
	}
	return generation
}
