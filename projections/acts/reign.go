package acts

import "github.com/refold/refold/schemas/event"

// Reign says that the effects of the events from some positions on, up to those of the next reign, are emitted by
// a generation. Who emits is so decided by where an event stands, and not by when it is folded.
type Reign struct {
	Generation int64
	// From are where the sources ended when it was decided; a partition that is not among them begins at 0.
	From []event.TopicPosition
}

// Begins returns the position in a partition at which the reign begins.
func (r Reign) Begins(topic string, partition int32) int64 {
	for _, p := range r.From {
		if p.Topic == topic && p.Partition == partition {
			return p.Offset
		}
	}
	return 0
}
