package engine

import (
	"maps"
	"slices"

	"github.com/refold/refold/projections/store"
	"github.com/refold/refold/schemas/event"
	"github.com/refold/refold/streams/position"
)

// marks are how far a projection has emitted, as the effects themselves say: for each source partition and
// effect partition the highest source position among the effects found there. An effect at or below its mark is
// published already: what one partition holds of a transaction is there whole or not at all, and a task publishes
// in the order of its source.
//
// A mark belongs to one effect partition because no more than that is sure: a broker that crashes between the
// markers of two partitions leaves the one committed and the other aborted.
type marks struct {
	highest map[lane]int64
	// emitted is the highest position of each source partition that each generation emitted at.
	emitted map[teller]int64
	// ends are up to where the effect partitions were read. They are never beyond their true ends.
	ends map[position.Partition]int64
}

// lane is the way from a source partition to an effect partition.
type lane struct{ source, to position.Partition }

// teller is a generation that emitted for a source partition, by what its effects say: 0 where they do not.
type teller struct {
	generation int64
	source     position.Partition
}

func newMarks() marks {
	return marks{highest: make(map[lane]int64), emitted: make(map[teller]int64), ends: make(map[position.Partition]int64)}
}

// note raises the mark of a lane by what a generation emitted.
func (m marks) note(l lane, generation, position int64) {
	if known, ok := m.highest[l]; !ok || position > known {
		m.highest[l] = position
	}
	by := teller{generation, l.source}
	if known, ok := m.emitted[by]; !ok || position > known {
		m.emitted[by] = position
	}
}

// found notes an effect of a projection that stands in an effect partition.
func (m marks) found(at position.Partition, generation int64, e event.Effect) {
	m.note(lane{position.Partition{Topic: e.SourceTopic, Partition: e.SourcePartition}, at}, generation, e.SourceOffset)
}

// published tells whether the effects of a position are in an effect partition.
func (m marks) published(l lane, position int64) bool {
	mark, ok := m.highest[l]
	return ok && position <= mark
}

// beyond tells whether effects of a source partition were emitted at or beyond a position.
func (m marks) beyond(source position.Partition, position int64) bool {
	return m.last(source) >= position
}

// last returns the highest position of a source partition that effects were emitted at, -1 where there are none.
func (m marks) last(source position.Partition) int64 {
	last := int64(-1)
	for by, at := range m.emitted {
		if by.source == source {
			last = max(last, at)
		}
	}
	return last
}

// partitions returns the number of partitions of an effect topic.
func (m marks) partitions(topic string) (n int32) {
	for at := range m.ends {
		if at.Topic == topic {
			n++
		}
	}
	return n
}

// stored returns the ends as a checkpoint has them.
func (m marks) stored() []store.End {
	out := make([]store.End, 0, len(m.ends))
	for at, offset := range m.ends {
		out = append(out, store.End{Topic: at.Topic, Partition: at.Partition, Offset: offset})
	}
	slices.SortFunc(out, func(a, b store.End) int { return comparePlaces(a, b) })
	return out
}

// copied returns marks that can be changed without these.
func (m marks) copied() marks {
	return marks{highest: maps.Clone(m.highest), emitted: maps.Clone(m.emitted), ends: maps.Clone(m.ends)}
}
