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
	// emitted is the highest position of each source partition.
	emitted map[position.Partition]int64
	// ends are up to where the effect partitions were read. They are never beyond their true ends.
	ends map[position.Partition]int64
}

// lane is the way from a source partition to an effect partition.
type lane struct{ source, to position.Partition }

func newMarks() marks {
	return marks{highest: make(map[lane]int64), emitted: make(map[position.Partition]int64), ends: make(map[position.Partition]int64)}
}

// note raises the mark of a lane.
func (m marks) note(l lane, position int64) {
	if known, ok := m.highest[l]; !ok || position > known {
		m.highest[l] = position
	}
	if known, ok := m.emitted[l.source]; !ok || position > known {
		m.emitted[l.source] = position
	}
}

// found notes an effect of a projection that stands in an effect partition.
func (m marks) found(at position.Partition, e event.Effect) {
	m.note(lane{position.Partition{Topic: e.SourceTopic, Partition: e.SourcePartition}, at}, e.SourceOffset)
}

// published tells whether the effects of a position are in an effect partition.
func (m marks) published(l lane, position int64) bool {
	mark, ok := m.highest[l]
	return ok && position <= mark
}

// beyond tells whether effects of a source partition were emitted at or beyond a position.
func (m marks) beyond(source position.Partition, position int64) bool {
	emitted, ok := m.emitted[source]
	return ok && emitted >= position
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
