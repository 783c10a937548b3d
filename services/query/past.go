package query

import (
	"fmt"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/refold/refold/projections/engine"
	"github.com/refold/refold/streams/position"
)

// Past is a request that may ask for an answer as it was.
type Past interface {
	GetAsOfTime() *timestamppb.Timestamp
	GetAsOfPosition() string
}

// Moment returns the moment that a question asks for, nil where it asks for the present. It waits for nothing.
func (r Reader) Moment(q Question) (*engine.Moment, error) {
	if q.Past == nil {
		return nil, nil
	}
	return MomentIn(r.place(q), q.Past, q.MinPosition)
}

// MomentIn is Moment for a partition: of a request for the past, and the position it asks for beside that.
func MomentIn(p position.Partition, past Past, minPosition string) (*engine.Moment, error) {
	at, token := past.GetAsOfTime(), past.GetAsOfPosition()
	switch {
	case at == nil && token == "":
		return nil, nil
	case at != nil && token != "":
		return nil, Wrong(ReasonMalformed, "as_of_time", "must not be given with as_of_position")
	case minPosition != "":
		return nil, Wrong(ReasonMalformed, "min_position", "must not be given with as_of_time or as_of_position")
	case at != nil && !at.IsValid():
		return nil, Wrong(ReasonMalformed, "as_of_time", "is no time")
	case at != nil:
		return &engine.Moment{Time: at.AsTime()}, nil
	}
	return momentAt(token, p)
}

// momentAt returns the moment of a token, which must speak of the partition.
func momentAt(token string, p position.Partition) (*engine.Moment, error) {
	offset, err := position.Wanted(token, p)
	if err != nil {
		return nil, Wrong(ReasonBadToken, "as_of_position", "is no position of this log")
	}
	t, err := position.Decode(token)
	if _, ok := t.Positions[p]; err != nil || !ok {
		return nil, Wrong(ReasonBadToken, "as_of_position", fmt.Sprintf("says nothing of partition %d, which is asked about", p.Partition))
	}
	return &engine.Moment{Position: offset}, nil
}
