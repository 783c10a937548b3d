package engine

import (
	"context"
	"maps"
	"slices"

	"github.com/refold/refold/schemas/event"
)

// create makes a generation of a projection's newest version and returns its number.
func (e *Engine) create(ctx context.Context, name, principal, reason string) (int64, error) {
	d, err := e.newest(name)
	if err != nil {
		return 0, err
	}
	state, _ := e.cfg.Acts.State()
	p := state.Projection(name)
	act := event.ActRecorded{
		Principal: principal, Reason: reason, Kind: event.ActGenerationCreated,
		Projection: name, Generation: p.Last() + 1, ExpectedLive: p.Live, Version: d.Version, Hash: d.RowHash,
	}
	if p.Last() == 0 {
		// What happened before there was the projection is no news.
		if act.Positions, err = e.sourceEnds(ctx, name); err != nil {
			return 0, err
		}
	}
	return act.Generation, e.cfg.Acts.Do(ctx, act)
}

// sourceEnds returns where the source of a projection ends now.
func (e *Engine) sourceEnds(ctx context.Context, name string) ([]event.TopicPosition, error) {
	picker, err := e.picker()
	if err != nil {
		return nil, err
	}
	topic := e.source(name)
	ends, err := picker.Ends(ctx, topic)
	if err != nil {
		return nil, err
	}
	var out []event.TopicPosition
	for _, p := range slices.Sorted(maps.Keys(ends)) {
		out = append(out, event.TopicPosition{Topic: topic, Partition: p, Offset: ends[p]})
	}
	return out, nil
}
