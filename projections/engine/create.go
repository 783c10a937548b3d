package engine

import (
	"context"
	"maps"
	"slices"

	"github.com/refold/refold/schemas/event"
)

// createFirst makes the first generation of a projection, which is live at once. What happened before there was
// the projection is no news: its effects begin where the source ends.
func (e *Engine) createFirst(ctx context.Context, name string) error {
	d, err := e.newest(name)
	if err != nil {
		return err
	}
	ends, err := e.sourceEnds(ctx, name)
	if err != nil {
		return err
	}
	return e.act(ctx, event.ActRecorded{
		Principal: Platform, Reason: "the first generation", Kind: event.ActGenerationCreated,
		Projection: name, Generation: 1, Version: d.Version, Hash: d.Hash, Positions: ends,
	})
}

// create makes the generation of a plan and returns its number.
func (e *Engine) create(ctx context.Context, plan *Plan, o Order) (int64, error) {
	state, _ := e.cfg.Acts.State()
	number := state.Projection(plan.Projection).Last() + 1
	a := event.ActRecorded{
		Principal: o.Principal, Reason: o.Reason, Kind: event.ActGenerationCreated, Projection: plan.Projection,
		Generation: number, ExpectedLive: plan.Live, Version: plan.Version, Hash: plan.FoldHash,
		Plan: plan.Hash, Snapshot: plan.Snapshot, Keys: plan.Keys, TouchedBy: plan.TouchedBy, MaxRate: o.MaxRate,
	}
	for _, s := range plan.Stretches {
		a.Positions = append(a.Positions, event.TopicPosition{Topic: s.Topic, Partition: s.Partition, Offset: s.Begin})
	}
	return number, e.act(ctx, a)
}

// sourceEnds returns where the sources of a projection end now, those of all its versions.
func (e *Engine) sourceEnds(ctx context.Context, name string) ([]event.TopicPosition, error) {
	picker, err := e.picker()
	if err != nil {
		return nil, err
	}
	var out []event.TopicPosition
	for _, topic := range e.sources(name) {
		ends, err := picker.Ends(ctx, topic)
		if err != nil {
			return nil, err
		}
		for _, p := range slices.Sorted(maps.Keys(ends)) {
			out = append(out, event.TopicPosition{Topic: topic, Partition: p, Offset: ends[p]})
		}
	}
	return out, nil
}
