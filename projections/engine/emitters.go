package engine

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"slices"

	"github.com/refold/refold/projections/acts"
	"github.com/refold/refold/projections/projection"
	"github.com/refold/refold/projections/store"
	"github.com/refold/refold/schemas/codec"
	"github.com/refold/refold/schemas/event"
	"github.com/refold/refold/streams/effect"
	"github.com/refold/refold/streams/group"
	"github.com/refold/refold/streams/timeline"
)

// emits returns the topics that any version of a projection emits to, each once.
func (e *Engine) emits(name string) (topics []string) {
	seen := make(map[string]bool)
	for _, d := range e.cfg.Catalog {
		for _, kind := range d.Emits {
			if d.Name == name && !seen[kind.Topic] {
				seen[kind.Topic] = true
				topics = append(topics, kind.Topic)
			}
		}
	}
	return topics
}

// newEmitters returns what publishes the effects of each projection that has any.
func (e *Engine) newEmitters() map[string]*emitter {
	out := make(map[string]*emitter)
	for _, name := range e.Names() {
		if topics := e.emits(name); len(topics) > 0 || e.several(name) {
			out[name] = newEmitter(e.emitterConfig(name, topics))
		}
	}
	return out
}

// several tells whether any version of a projection has several sources.
func (e *Engine) several(name string) bool {
	return slices.ContainsFunc(e.cfg.Catalog, func(d *projection.Definition) bool { return d.Name == name && len(d.Sources) > 1 })
}

func (e *Engine) emitterConfig(name string, topics []string) emitterConfig {
	var log *roundLog
	if e.several(name) {
		log = newRoundLog(name, e.cfg.Codec)
	}
	// One for each projection and instance: what an instance began before it crashed ends when it is back.
	id := "refold-effects-" + name + "-" + cmp.Or(e.cfg.Instance, rand.Text())
	return emitterConfig{
		projection: name, source: e.source(name), topics: topics, log: log, logger: e.cfg.Logger,
		membership: func() group.Membership { return e.membership(name) },
		open: func(ctx context.Context) (outlet, error) {
			w, err := effect.Open(ctx, e.cfg.Cluster, id)
			if err != nil {
				return nil, err
			}
			return w, nil
		},
		scan: func(ctx context.Context, topic string, spans map[int32]timeline.Span, each func(timeline.Batch) error) error {
			return timeline.Scan(ctx, e.cfg.Cluster, topic, spans, each)
		},
		read: func(ctx context.Context, rec *timeline.Record) (event.Effect, bool, error) {
			return readEffect(ctx, e.cfg.Codec, rec)
		},
	}
}

// source returns what a projection reads.
func (e *Engine) source(name string) string {
	d, err := e.newest(name)
	if err != nil {
		return "" // it is in the catalog
	}
	return d.Topic
}

// sources returns what the versions of a projection read, each topic once.
func (e *Engine) sources(name string) (topics []string) {
	for _, d := range e.cfg.Catalog {
		for _, topic := range d.Sources {
			if d.Name == name && !slices.Contains(topics, topic) {
				topics = append(topics, topic)
			}
		}
	}
	return topics
}

// membership returns what this process is in a projection's group.
func (e *Engine) membership(name string) group.Membership {
	m, ok := e.members.Load(name)
	if !ok {
		return group.Membership{}
	}
	return m.(*group.Member).Membership()
}

// readEffect returns what a record says of itself, and false where it is no effect: what nobody could have emitted
// says nothing of what was.
func readEffect(ctx context.Context, c *codec.Codec, rec *timeline.Record) (out event.Effect, ok bool, err error) {
	schema, err := c.Lookup(ctx, rec.Value)
	if errors.Is(err, codec.ErrRegistry) {
		return out, false, err
	}
	if err != nil || schema.Decode(rec.Value, &out) != nil {
		return out, false, nil
	}
	return out, out.EffectID != "", nil
}

// decide tells a projection's emitter what was decided.
func (e *Engine) decide(name string, p acts.Projection) {
	emitter := e.emitters[name]
	if emitter == nil {
		return
	}
	emitter.plays(e.parts(name, p))
	if len(emitter.cfg.topics) == 0 {
		return
	}
	emitter.rules(p.Reigns, nil)
	out := make(map[int64]bool)
	for _, g := range p.Generations {
		id := store.Generation{Projection: name, Number: g.Number}
		if g.Cancelled && !e.owes(id) || e.unfoldable(id) {
			out[g.Number] = true
		}
	}
	emitter.rules(p.Reigns, out)
}

func (e *Engine) unfoldable(id store.Generation) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return errors.Is(e.failed[id], errNoFold)
}

// owes tells whether a generation runs here and has yet to emit what is its to emit: one that is cancelled goes on
// until it has. A process that ends before that leaves it unsaid, to be released by its ids.
func (e *Engine) owes(id store.Generation) bool {
	emitter, r := e.emitters[id.Projection], e.acquire(id)
	if r == nil {
		return false
	}
	defer r.readers.Done()
	if emitter == nil {
		return false
	}
	for _, t := range r.Progress() {
		if t.Err == nil && emitter.owes(voice{id.Number, t.Partition}) {
			return true
		}
	}
	return false
}

// emissionOf returns what makes the emissions of a generation's tasks, nil where it has none.
func (e *Engine) emissionOf(ctx context.Context, id store.Generation, d *projection.Definition) (func(int32, store.Checkpoint) *emission, error) {
	emitter := e.emitters[id.Projection]
	if emitter == nil {
		return nil, nil
	}
	encoders, err := encodersOf(ctx, e.cfg.Codec, d.Emits)
	if err != nil {
		return nil, err
	}
	return func(partition int32, c store.Checkpoint) *emission {
		return newEmission(emitter, voice{id.Number, partition}, fold{d.Sources, encoders}, c)
	}, nil
}
