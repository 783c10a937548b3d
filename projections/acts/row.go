package acts

import (
	"encoding/hex"
	"strings"

	"github.com/refold/refold/schemas/event"
)

// RowAct is what was decided about a parked row, in every generation.
type RowAct struct {
	// Partition is that of the row's task, Key the encoded key of the row.
	Partition int32
	Key       string
	// Topic and Position, an offset of it, are where the event stands that the row stands still before. Where it is
	// Discarded, the event is never folded into the row again, by any generation; otherwise the row is folded again.
	Topic     string
	Position  int64
	Discarded bool
}

// aboutRow keeps what is decided about a row.
func (p *Projection) aboutRow(_ *Generation, a event.ActRecorded) string {
	key, err := hex.DecodeString(a.Row)
	discarded := a.Kind == event.ActRowDiscarded
	switch {
	case err != nil || len(key) == 0 || len(a.Positions) != 1:
		return "an act about a row names its key, in hex, and one position"
	case discarded && strings.TrimSpace(a.Reason) == "":
		return "an event is discarded with a reason"
	}
	at := a.Positions[0]
	p.Rows = append(p.Rows, RowAct{Partition: at.Partition, Key: string(key), Topic: at.Topic, Position: at.Offset, Discarded: discarded})
	return ""
}
