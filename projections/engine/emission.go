package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/refold/refold/projections/projection"
	"github.com/refold/refold/projections/store"
	"github.com/refold/refold/schemas/codec"
	"github.com/refold/refold/streams/group"
)

// emission is the effects of one task between its fold and its save. It is used by the goroutine of the task; a
// nil one is that of a projection without effects.
type emission struct {
	emitter *emitter
	voice
	sources  []string
	encoders map[projection.EffectKind]*codec.Encoder

	began   store.Checkpoint // that the task began with
	since   []store.End      // and where the effect partitions ended, by that checkpoint or the last one
	taken   bool             // the marks were read since the task began
	member  group.Membership
	pending []outgoing
	rounds  []round // that the task has decided on and that are not logged; of several sources only
	chosen  bool    // all that is pending is released that is not published, whatever the marks say
	free    []int64 // up to where the task may fold each source, by the version of what was decided
	version int64
}

// fold is what is folded, and how what is emitted is encoded.
type fold struct {
	sources  []string
	encoders map[projection.EffectKind]*codec.Encoder
}

// newEmission returns the effects of a task that begins with a checkpoint.
func newEmission(e *emitter, v voice, f fold, c store.Checkpoint) *emission {
	if len(f.sources) > 1 && len(c.Sources) == 0 { // nothing is saved yet
		for _, topic := range f.sources {
			c.Sources = append(c.Sources, store.Source{Topic: topic})
		}
	}
	e.stands(v, false)
	e.passed(v, c)
	return &emission{
		emitter: e, voice: v, sources: f.sources, encoders: f.encoders, began: c, since: c.Effects, free: make([]int64, len(f.sources)),
	}
}

// encodersOf registers what a projection emits.
func encodersOf(ctx context.Context, c *codec.Codec, kinds []projection.EffectKind) (map[projection.EffectKind]*codec.Encoder, error) {
	out := make(map[projection.EffectKind]*codec.Encoder)
	for _, kind := range kinds {
		encoder, err := c.Encoder(ctx, kind.Topic, kind.Event)
		if err != nil {
			return nil, err
		}
		out[kind] = encoder
	}
	return out, nil
}

// take takes an effect from the fold, if it is this task's to emit.
func (m *emission) take(e projection.Effect) error {
	head := e.Event.Emission()
	if !m.emitter.emits(m.voice, head.SourceTopic, head.SourceOffset) {
		return nil
	}
	value, err := m.encoders[projection.EffectKind{Topic: e.Topic, Event: e.Event.Name()}].Append(nil, e.Event)
	if err != nil {
		return err
	}
	if len(m.pending) == 0 && len(m.rounds) == 0 {
		m.member = m.emitter.cfg.membership()
	}
	m.pending = append(m.pending, outgoing{
		topic: e.Topic, key: strings.Clone(head.CustomerID), source: head.SourceTopic, position: head.SourceOffset, id: head.EffectID, value: value,
	})
	return nil
}

// maxPending bounds the effects of a round.
const maxPending = 2_000

// full tells whether it is time to release what was emitted.
func (m *emission) full() bool { return m != nil && len(m.pending) >= maxPending }

// bar returns nil where the task may fold the event at a position of a source, or what is closed when that may have
// changed.
func (m *emission) bar(source int, position int64) <-chan struct{} {
	if m == nil {
		return nil
	}
	if version := m.emitter.version.Load(); version != m.version {
		clear(m.free)
		m.version = version
	}
	if position < m.free[source] {
		return nil
	}
	var changed <-chan struct{}
	m.free[source], changed = m.emitter.limit(m.voice, m.sources[source], position)
	if position < m.free[source] {
		return nil
	}
	return changed
}

// lastTry bounds the release of a task that has to end.
const lastTry = 3 * time.Second

// release publishes the effects of the events before a place that are the task's to emit, and logs its rounds, until
// it has or ctx ends.
func (m *emission) release(ctx context.Context, at store.Checkpoint) error {
	if m == nil || len(m.pending) == 0 && len(m.rounds) == 0 && (m.taken || !m.emits(at)) {
		return nil
	}
	var overruled error
	err := patiently(ctx, func() error {
		err := m.try(ctx, at.First())
		if errors.Is(err, errOverruled) {
			overruled, err = err, nil
		}
		return err
	})
	if overruled != nil {
		return overruled
	}
	if err != nil {
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastTry)
		defer cancel()
		err = m.try(last, at.First())
	}
	if err != nil {
		return fmt.Errorf("%w: %w", errUnreleased, err)
	}
	clear(m.pending)
	m.pending, m.rounds = m.pending[:0], nil
	return nil
}

// emits tells whether the task emits what stands before a place in one of its sources.
func (m *emission) emits(at store.Checkpoint) bool {
	return slices.ContainsFunc(sourcesIn(at, m.emitter.cfg.source), func(s store.Source) bool {
		return m.emitter.emits(m.voice, s.Topic, s.Next-1)
	})
}

// releaseChosen publishes the effects of events that waited, those that are not published yet.
func (m *emission) releaseChosen(ctx context.Context, at store.Checkpoint) error {
	if m == nil || len(m.pending) == 0 {
		return nil
	}
	m.chosen = true
	defer func() { m.chosen = false }()
	return m.release(ctx, at)
}

// drop forgets effects that are not to be released after all.
func (m *emission) drop() {
	if m != nil {
		m.pending = m.pending[:0]
	}
}

func (m *emission) try(ctx context.Context, next int64) error {
	if len(m.pending) == 0 && len(m.rounds) == 0 {
		m.member = m.emitter.cfg.membership()
	}
	r := &release{voice: m.voice, member: m.member, next: next, rounds: m.rounds, effects: slices.Clone(m.pending), chosen: m.chosen, done: make(chan error, 1)}
	if len(m.sources) > 1 {
		r.sources, r.set = m.sources, sourceSet(m.sources)
	}
	if !m.taken {
		r.since = &m.since
	}
	if err := m.emitter.release(ctx, r); err != nil {
		if ctx.Err() == nil {
			m.emitter.cfg.logger.Warn("effects are not published yet", "projection", m.emitter.cfg.projection, "partition", m.partition, "error", err)
		}
		// The group may have been shared out anew while the partition stayed here.
		m.member = m.emitter.cfg.membership()
		return err
	}
	if !m.taken {
		m.taken = true
		m.emitter.known(m.voice, m.began)
	}
	return nil
}

// stamp says in a checkpoint where the effect partitions ended.
func (m *emission) stamp(c *store.Checkpoint) {
	if m == nil {
		return
	}
	if ends, ok := m.emitter.ends(m.partition, *c); ok {
		m.since = ends
	}
	c.Effects = m.since
}

// saved notes that everything below the checkpoint is released and saved.
func (m *emission) saved(c store.Checkpoint) {
	if m != nil {
		m.emitter.passed(m.voice, c)
	}
}

// stood notes that the task stands still.
func (m *emission) stood() {
	if m != nil {
		m.emitter.stands(m.voice, true)
	}
}

// unreleased tells whether an error is that the effects could not be published in time, which loses nothing.
func unreleased(err error) bool { return errors.Is(err, errUnreleased) }
