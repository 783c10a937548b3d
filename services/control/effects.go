package control

import (
	"cmp"
	"context"

	"github.com/refold/refold/projections/engine"
	"github.com/refold/refold/schemas/api/refoldv1"
)

// usualDifferences is how many differing effects are returned where no number is asked for.
const usualDifferences = 100

// CompareEffects implements refoldv1.ControlServiceServer.
func (s *Server) CompareEffects(ctx context.Context, r *refoldv1.CompareEffectsRequest) (*refoldv1.CompareEffectsResponse, error) {
	limit := int(cmp.Or(r.GetLimit(), usualDifferences))
	c, err := s.cfg.Engine.CompareEffects(ctx, r.GetProjection(), r.GetBefore(), r.GetAfter(), limit)
	if err != nil {
		return nil, err
	}
	out := &refoldv1.CompareEffectsResponse{Same: c.Same, Less: c.Less, More: c.More, Changed: c.Changed}
	for _, d := range c.Differences {
		out.Differences = append(out.Differences, effectDifference(d))
	}
	return out, nil
}

func effectDifference(d engine.EffectDifference) *refoldv1.EffectDifference {
	out := &refoldv1.EffectDifference{}
	if d.Less != nil {
		out.Before = d.Less.Text
	}
	if d.More != nil {
		out.After = d.More.Text
	}
	t := cmp.Or(d.More, d.Less)
	out.EffectId, out.Topic, out.Event = t.EffectID, t.Topic, t.Event
	out.SourcePartition, out.SourceOffset = t.SourcePartition, t.SourceOffset
	return out
}

// ReleaseEffects implements refoldv1.ControlServiceServer.
func (s *Server) ReleaseEffects(ctx context.Context, r *refoldv1.ReleaseEffectsRequest) (*refoldv1.ReleaseEffectsResponse, error) {
	ids, err := s.cfg.Engine.ReleaseEffects(ctx, r.GetProjection(), r.GetEffectIds(), s.cfg.Principal(ctx), r.GetReason())
	if err != nil {
		return nil, err
	}
	return &refoldv1.ReleaseEffectsResponse{EffectIds: ids}, nil
}
