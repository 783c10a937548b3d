package control

import (
	"context"

	"github.com/refold/refold/projections/engine"
	"github.com/refold/refold/schemas/api/refoldv1"
)

// broker is where history is kept.
const broker = "kafka"

// PlanReplay implements refoldv1.ControlServiceServer.
func (s *Server) PlanReplay(ctx context.Context, r *refoldv1.PlanReplayRequest) (*refoldv1.Plan, error) {
	p, err := s.cfg.Engine.Plan(ctx, engine.Wish{Projection: r.GetProjection(), From: r.GetFrom(), Keys: r.GetKeys(), TouchedBy: r.GetTouchedBy()})
	if err != nil {
		return nil, err
	}
	out := &refoldv1.Plan{
		Projection: p.Projection, Hash: p.Hash, Live: p.Live, Version: p.Version, FoldHash: p.FoldHash, Snapshot: p.Snapshot,
		Events: figure(p.Events), Bytes: figure(p.Bytes), Rows: figure(p.Rows), Silenced: figure(p.Silenced),
		EtaSeconds: p.ETA().Seconds(), EventsPerSecond: p.Rate,
	}
	for _, x := range p.Stretches {
		out.Stretches = append(out.Stretches, &refoldv1.PlanStretch{
			Topic: x.Topic, Partition: x.Partition, Begin: x.Begin, End: x.End, Source: broker, Hole: x.Hole(),
		})
	}
	return out, nil
}

func figure(f engine.Figure) *refoldv1.Figure {
	out := &refoldv1.Figure{Value: f.Value, Known: refoldv1.Knowledge_KNOWLEDGE_UNKNOWN}
	switch f.Known {
	case engine.Estimated:
		out.Known = refoldv1.Knowledge_KNOWLEDGE_ESTIMATED
	case engine.Counted:
		out.Known = refoldv1.Knowledge_KNOWLEDGE_COUNTED
	case engine.Unknown:
	}
	return out
}

// StartReplay implements refoldv1.ControlServiceServer.
func (s *Server) StartReplay(ctx context.Context, r *refoldv1.StartReplayRequest) (*refoldv1.Operation, error) {
	id, err := s.cfg.Engine.Begin(ctx, engine.Order{
		Wish: engine.Wish{Projection: r.GetProjection(), From: r.GetFrom(), Keys: r.GetKeys(), TouchedBy: r.GetTouchedBy()},
		Plan: r.GetPlan(), MaxRate: r.GetMaxRate(), Principal: s.cfg.Principal(ctx), Reason: r.GetReason(),
	})
	return s.after(id, err)
}
