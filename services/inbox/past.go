package inbox

import (
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/refold/refold/projections/engine"
	"github.com/refold/refold/streams/position"
	"github.com/refold/refold/streams/topic"
)

// past is a request that may ask for an answer as it was.
type past interface {
	GetAsOfTime() *timestamppb.Timestamp
	GetAsOfPosition() string
}

// momentOf returns the moment that a question asks for, nil where it asks for the present.
func momentOf(q question, partition int32) (*engine.Moment, error) {
	if q.past == nil || q.past.GetAsOfTime() == nil && q.past.GetAsOfPosition() == "" {
		return nil, nil
	}
	at, token := q.past.GetAsOfTime(), q.past.GetAsOfPosition()
	switch {
	case at != nil && token != "":
		return nil, wrong(ReasonMalformed, "as_of_time", "must not be given with as_of_position")
	case q.minPosition != "":
		return nil, wrong(ReasonMalformed, "min_position", "must not be given with as_of_time or as_of_position")
	case at != nil && !at.IsValid():
		return nil, wrong(ReasonMalformed, "as_of_time", "is no time")
	case at != nil:
		return &engine.Moment{Time: at.AsTime()}, nil
	}
	return momentAt(token, position.Partition{Topic: topic.Notifications, Partition: partition})
}

// momentAt returns the moment of a token, which must speak of the partition.
func momentAt(token string, p position.Partition) (*engine.Moment, error) {
	offset, err := position.Wanted(token, p)
	if err != nil {
		return nil, wrong(ReasonBadToken, "as_of_position", "is no position of this log")
	}
	t, err := position.Decode(token)
	if _, ok := t.Positions[p]; err != nil || !ok {
		return nil, wrong(ReasonBadToken, "as_of_position", "is no position of this customer's partition")
	}
	return &engine.Moment{Position: offset}, nil
}
