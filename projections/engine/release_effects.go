package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/refold/refold/projections/acts"
	"github.com/refold/refold/projections/store"
	"github.com/refold/refold/schemas/event"
	"github.com/refold/refold/streams/position"
	"github.com/refold/refold/streams/timeline"
)

// ReleaseEffects publishes chosen effects of the live generation that were never published, and returns the ids of
// those that it published: the others are there already. It is an act, with who asked and why; to ask again after an
// error publishes nothing twice.
//
// Effects are missing where a generation that should have emitted them could not, or where one emits more than the
// one before it did. What the live generation does not emit, or has not come to, is a *acts.Refusal.
func (e *Engine) ReleaseEffects(ctx context.Context, name string, ids []string, principal, reason string) ([]string, error) {
	if reason == "" || len(ids) == 0 {
		return nil, &acts.Refusal{Why: "effects are released by their ids, and with a reason"}
	}
	state, _ := e.cfg.Acts.State()
	live := state.Projection(name).Live
	chosen := make(map[string]*Told)
	err := e.refoldEffects(ctx, name, []int64{live}, func(told []map[string]*Told) {
		for _, id := range ids {
			if t := told[0][id]; t != nil {
				chosen[id] = t
			}
		}
	})
	if err != nil {
		return nil, fmt.Errorf("release effects of %s: %w", name, err)
	}
	releases, err := e.chosen(store.Generation{Projection: name, Number: live}, ids, chosen)
	if err != nil {
		return nil, err
	}
	err = e.cfg.Acts.Do(ctx, event.ActRecorded{
		Kind: event.ActEffectsReleased, Principal: principal, Reason: reason, Projection: name,
		Generation: live, ExpectedLive: live, Effects: ids,
	})
	if err != nil {
		return nil, fmt.Errorf("release effects of %s: %w", name, err)
	}
	var published []string
	for _, r := range releases {
		if err := e.emitters[name].release(ctx, r); err != nil {
			return published, fmt.Errorf("release effects of %s/%d: %w", name, r.partition, err)
		}
		for _, o := range r.effects {
			published = append(published, o.id)
		}
	}
	return published, nil
}

// chosen makes releases of effects, one for each source partition.
func (e *Engine) chosen(live store.Generation, ids []string, told map[string]*Told) (map[int32]*release, error) {
	r := e.acquire(live)
	if r == nil {
		return nil, fmt.Errorf("%s generation %d: %w", live.Projection, live.Number, ErrNotHere)
	}
	defer r.readers.Done()
	releases := make(map[int32]*release)
	var unknown []string
	for _, id := range ids {
		t := told[id]
		if t == nil {
			unknown = append(unknown, id)
			continue
		}
		task, err := r.task(t.SourcePartition)
		if err != nil {
			return nil, err
		}
		saved, _ := task.state()
		if t.SourceOffset >= folded(saved, e.source(live.Projection), t.SourceTopic) {
			unknown = append(unknown, id) // it will come by itself
			continue
		}
		to := releases[t.SourcePartition]
		if to == nil {
			to = &release{
				voice: voice{live.Number, t.SourcePartition}, member: e.membership(live.Projection), since: &saved.Effects,
				next: saved.First(), chosen: true, done: make(chan error, 1),
			}
			releases[t.SourcePartition] = to
		}
		to.effects = append(to.effects, outgoing{topic: t.Topic, key: t.CustomerID, source: t.SourceTopic, position: t.SourceOffset, id: id, value: t.value})
	}
	if len(unknown) > 0 {
		return nil, &acts.Refusal{Why: fmt.Sprintf("generation %d of %s has not emitted %s", live.Number, live.Projection, strings.Join(unknown, ", "))}
	}
	return releases, nil
}

// folded returns up to where a checkpoint says that a topic was folded; only is the one of a task that has one.
func folded(c store.Checkpoint, only, topic string) int64 {
	for _, s := range sourcesIn(c, only) {
		if s.Topic == topic {
			return s.Next
		}
	}
	return 0
}

// absent leaves of chosen effects those that are not published, by reading all that is.
func (e *emitter) absent(ctx context.Context, r *release) error {
	ends, err := e.outlet.Ends(ctx, e.cfg.topics...)
	if err != nil {
		return err
	}
	for _, name := range e.cfg.topics {
		spans := make(map[int32]timeline.Span)
		for at, end := range ends {
			if at.Topic == name {
				spans[at.Partition] = timeline.Span{End: end}
			}
		}
		err := e.cfg.scan(ctx, name, spans, func(b timeline.Batch) error {
			for _, rec := range b.Records {
				got, ok, err := e.cfg.read(ctx, rec)
				if err != nil {
					return fmt.Errorf("effect at %s offset %d: %w", position.Partition{Topic: b.Topic, Partition: b.Partition}, rec.Offset, err)
				}
				if ok {
					r.effects = slices.DeleteFunc(r.effects, func(o outgoing) bool { return o.id == got.EffectID })
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}
