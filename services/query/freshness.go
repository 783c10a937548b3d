package query

import (
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/refold/refold/projections/engine"
	"github.com/refold/refold/schemas/api/refoldv1"
	"github.com/refold/refold/streams/position"
)

// Freshness says how old a view is, and whether a row that was read of it before stands still.
func Freshness(v *engine.View) *refoldv1.Freshness {
	token := position.Token{
		Generation: v.Generation,
		Positions:  position.Vector{{Topic: v.Topic, Partition: v.Partition}: v.Next},
	}
	out := &refoldv1.Freshness{Position: token.Encode(), LagEvents: v.Lag, LagSeconds: v.Behind.Seconds(), Generation: v.Generation, Scanned: v.Scanned}
	if since, parked := v.ParkedSince(); parked {
		out.ParkedSince = timestamppb.New(since)
	}
	if v.EventTime.IsZero() {
		return out
	}
	out.EventTime = timestamppb.New(v.EventTime)
	return out
}
