package control

import (
	"cmp"
	"encoding/hex"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/refold/refold/projections/engine"
	"github.com/refold/refold/projections/projection"
	"github.com/refold/refold/schemas/api/refoldv1"
	"github.com/refold/refold/schemas/event"
	"github.com/refold/refold/streams/position"
)

func (s *Server) operation(name string, live int64, g engine.Status) *refoldv1.Operation {
	out := &refoldv1.Operation{
		Id:           engine.Operation(name, g.Number),
		Projection:   name,
		Generation:   generation(g),
		Live:         live,
		Verification: verification(g),
		EtaSeconds:   g.ETA().Seconds(),
		MaxRate:      g.MaxRate,
		Plan:         g.Created.Plan,
		Snapshot:     g.Created.Snapshot,
		Keys:         g.Created.Keys,
		TouchedBy:    g.Created.TouchedBy,
	}
	for _, t := range g.Progress {
		out.Partitions = append(out.Partitions, &refoldv1.PartitionProgress{
			Partition: t.Partition, Offset: t.Next, End: t.End, EventsPerSecond: t.Rate, EtaSeconds: t.ETA().Seconds(),
		})
	}
	return out
}

func generation(g engine.Status) *refoldv1.Generation {
	out := &refoldv1.Generation{
		Number:          g.Number,
		Version:         g.Version,
		Hash:            g.Hash,
		State:           state(g.State),
		LagEvents:       g.Lag,
		LagSeconds:      g.Behind.Seconds(),
		EventsPerSecond: g.Rate,
		Position:        positionOf(g),
		Principal:       g.Created.Principal,
		CreatedAt:       timestamppb.New(g.Created.RecordedAt.Time()),
		Reason:          g.Created.Reason,
		ParkedRows:      int64(g.Parked),
	}
	if !g.EventTime.IsZero() {
		out.EventTime = timestamppb.New(g.EventTime)
	}
	if g.Drill != nil {
		out.Drill = drill(*g.Drill)
	}
	if problem := cmp.Or(g.Err, g.Incomparable); problem != nil {
		out.Error = problem.Error()
	}
	return out
}

// maxDrifted bounds the rows that are named.
const maxDrifted = 100

func drill(d engine.Drill) *refoldv1.DrillResult {
	out := &refoldv1.DrillResult{At: timestamppb.New(d.At), Keys: int64(d.Keys)}
	for _, k := range d.Drifted[:min(len(d.Drifted), maxDrifted)] {
		out.Drifted = append(out.Drifted, key(k))
	}
	if alarm := d.Alarm(); alarm != nil {
		out.Alarm = alarm.Error()
	}
	return out
}

// positionOf returns the token up to which a generation is saved, over the partitions that this process holds;
// "" where it holds none.
func positionOf(g engine.Status) string {
	positions := make(position.Vector, len(g.Progress))
	for _, t := range g.Progress {
		positions[position.Partition{Topic: g.Topic, Partition: t.Partition}] = t.First
	}
	if len(positions) == 0 {
		return ""
	}
	return position.Token{Generation: g.Number, Positions: positions}.Encode()
}

func state(of engine.State) refoldv1.GenerationState {
	switch of {
	case engine.Live:
		return refoldv1.GenerationState_GENERATION_STATE_LIVE
	case engine.Building:
		return refoldv1.GenerationState_GENERATION_STATE_BUILDING
	case engine.Ready:
		return refoldv1.GenerationState_GENERATION_STATE_READY
	case engine.Verified:
		return refoldv1.GenerationState_GENERATION_STATE_VERIFIED
	case engine.Standby:
		return refoldv1.GenerationState_GENERATION_STATE_STANDBY
	case engine.Cancelled:
		return refoldv1.GenerationState_GENERATION_STATE_CANCELLED
	case engine.Stuck:
		return refoldv1.GenerationState_GENERATION_STATE_STUCK
	case engine.Paused:
		return refoldv1.GenerationState_GENERATION_STATE_PAUSED
	}
	return refoldv1.GenerationState_GENERATION_STATE_UNSPECIFIED
}

// verification returns what the last comparison with the live generation found; nil before the first.
// Examples and the digest of the live generation are known to the process that compared.
func verification(g engine.Status) *refoldv1.Verification {
	if g.Verified == nil {
		return nil
	}
	out := &refoldv1.Verification{
		Rows:        g.Verified.Rows,
		Differences: g.Verified.Differences,
		Digest:      g.Verified.Digest,
		LiveDigest:  g.LiveDigest,
		Position:    token(g.Number, g.Verified.Positions),
	}
	for _, d := range g.Differences {
		out.Examples = append(out.Examples, difference(d))
	}
	return out
}

func difference(d engine.Difference) *refoldv1.RowDifference {
	out := &refoldv1.RowDifference{Partition: d.Partition, Key: key(d.Key), Live: d.Live, Candidate: d.Candidate}
	for _, f := range d.Fields {
		out.Fields = append(out.Fields, &refoldv1.FieldDifference{Path: f.Path, Live: f.Live, Candidate: f.Candidate})
	}
	return out
}

func token(generation int64, at []event.TopicPosition) string {
	positions := make(position.Vector, len(at))
	for _, p := range at {
		positions[position.Partition{Topic: p.Topic, Partition: p.Partition}] = p.Offset
	}
	return position.Token{Generation: generation, Positions: positions}.Encode()
}

// key returns the key of a row for people. A sort key that is no text is shown in hex.
func key(k projection.Key) string {
	for i := range len(k.Sort) {
		if k.Sort[i] < ' ' || k.Sort[i] > '~' {
			return k.Partition + "/" + hex.EncodeToString([]byte(k.Sort))
		}
	}
	return k.Partition + "/" + k.Sort
}
