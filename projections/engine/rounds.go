package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/refold/refold/projections/acts"
	"github.com/refold/refold/projections/store"
	"github.com/refold/refold/schemas/codec"
	"github.com/refold/refold/schemas/event"
	"github.com/refold/refold/streams/effect"
	"github.com/refold/refold/streams/position"
	"github.com/refold/refold/streams/timeline"
	"github.com/refold/refold/streams/topic"
)

// The rounds of a projection of several sources go the way of its effects: they are released by the emitter, under the
// same fence, so that a process that has lost a partition cannot log a round of it; who takes a partition waits until
// nothing is open below the end of its rounds and reads them; and after an error, when it is not known what was
// logged, they are read again. All generations of a partition are in one process, which so knows its rounds.
//
// Rounds are released in a transaction before that of their effects. So an effect is never found without its round,
// even where a broker crashes between the markers of two partitions.

// rounds are the logged rounds of one partition, as far as topic.Rounds was read.
type rounds struct {
	next    int64
	fresh   bool               // they are read for the first time
	courses map[string]*course // by set of sources
}

// roundLog says how a projection logs its rounds; nil where it has no version of several sources.
type roundLog struct {
	encoder func(ctx context.Context) (*codec.Encoder, error)
	// read returns the round that a record says was folded, and false where it is not the projection's.
	read func(ctx context.Context, rec *timeline.Record) (event.RoundEnded, bool, error)
}

func newRoundLog(projection string, c *codec.Codec) *roundLog {
	return &roundLog{
		encoder: func(ctx context.Context) (*codec.Encoder, error) {
			return c.Encoder(ctx, topic.Rounds, event.NameRoundEnded)
		},
		read: func(ctx context.Context, rec *timeline.Record) (out event.RoundEnded, ok bool, err error) {
			schema, err := c.Lookup(ctx, rec.Value)
			if err == nil {
				err = schema.Decode(rec.Value, &out)
			}
			return out, out.Projection == projection, err
		},
	}
}

// unreadRounds returns the partitions whose rounds must be read: those of a batch that are not known, and all that are
// known where something may have been logged since.
func (e *emitter) unreadRounds(batch []*release) map[int32]*rounds {
	out := make(map[int32]*rounds)
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.doubt {
		maps.Copy(out, e.rounds)
	}
	for _, r := range batch {
		if r.set != "" && e.rounds[r.partition] == nil {
			out[r.partition] = &rounds{fresh: true, courses: make(map[string]*course)}
		}
	}
	return out
}

// learnRounds reads the rounds of partitions up to where they end.
func (e *emitter) learnRounds(ctx context.Context, unread map[int32]*rounds, ends map[position.Partition]int64) error {
	spans := make(map[int32]timeline.Span)
	for p, known := range unread {
		end := ends[position.Partition{Topic: topic.Rounds, Partition: p}]
		spans[p] = timeline.Span{Start: known.next, End: end}
	}
	err := e.cfg.scan(ctx, topic.Rounds, spans, func(b timeline.Batch) error {
		for _, rec := range b.Records {
			if err := e.takeRound(ctx, unread[b.Partition], rec); err != nil {
				return fmt.Errorf("round at %s/%d offset %d: %w", b.Topic, b.Partition, rec.Offset, err)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for p, known := range unread {
		known.next = spans[p].End
		if known.fresh { // its task waits for it; of the others some may have been lost meanwhile
			known.fresh, e.rounds[p] = false, known
		}
	}
	e.rule.announce()
	return nil
}

func (e *emitter) takeRound(ctx context.Context, of *rounds, rec *timeline.Record) error {
	got, ok, err := e.cfg.log.read(ctx, rec)
	if err != nil || !ok {
		return err
	}
	r, set, err := roundOf(&got)
	if err != nil {
		return err
	}
	e.mu.Lock() // tasks may follow what is known already
	defer e.mu.Unlock()
	return of.of(set).add(r)
}

// of returns the course of a set of sources.
func (r *rounds) of(set string) *course {
	c := r.courses[set]
	if c == nil {
		c = new(course)
		r.courses[set] = c
	}
	return c
}

// logRounds logs the rounds of a batch of releases that are not logged yet. Releases that are overruled are answered
// so, and left out of what it returns.
func (e *emitter) logRounds(ctx context.Context, batch []*release) ([]*release, error) {
	if e.cfg.log == nil {
		return batch, nil
	}
	logged := make(map[*release][]round)
	var records []effect.Record
	encoder, err := e.cfg.log.encoder(ctx)
	if err != nil {
		return nil, err
	}
	e.mu.Lock()
	left := slices.DeleteFunc(slices.Clone(batch), func(r *release) bool {
		if len(r.rounds) == 0 {
			return false
		}
		logged[r], r.overruled = e.rounds[r.partition].of(r.set).follow(r.rounds)
		return r.overruled != nil
	})
	e.mu.Unlock()
	for _, r := range left {
		for _, one := range logged[r] {
			rec := roundRecord(e.cfg.projection, r.partition, r.sources, one)
			value, err := encoder.Append(nil, rec)
			if err != nil {
				return nil, err
			}
			records = append(records, effect.Record{At: position.Partition{Topic: topic.Rounds, Partition: r.partition}, Key: rec.Key(), Value: value})
		}
	}
	if len(records) == 0 {
		return left, nil
	}
	ends, err := e.transact(ctx, left, records)
	if err != nil {
		return nil, err
	}
	return left, e.logged(left, logged, ends)
}

// logged notes what was logged, and tells those who wait for it.
func (e *emitter) logged(batch []*release, rounds map[*release][]round, ends map[position.Partition]int64) (err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, r := range batch {
		of := e.rounds[r.partition]
		if of == nil {
			continue // the partition was lost meanwhile
		}
		of.next = max(of.next, ends[position.Partition{Topic: topic.Rounds, Partition: r.partition}])
		for _, one := range rounds[r] {
			err = errors.Join(err, of.of(r.set).add(one))
		}
	}
	e.rule.announce()
	return err
}

// plays tells what each generation reads, and which one decides on the rounds of each set of sources: the live one
// for its own, and for others the oldest that has it.
func (e *emitter) plays(reads map[int64][]string, deciders map[string]int64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !maps.Equal(e.deciders, deciders) || !maps.EqualFunc(e.rule.reads, reads, slices.Equal) {
		e.deciders, e.rule.reads = deciders, reads
		e.version.Add(1)
		e.rule.announce()
	}
}

// parts returns what each generation reads, and which one decides on the rounds of each set of sources.
func (e *Engine) parts(name string, p acts.Projection) (reads map[int64][]string, deciders map[string]int64) {
	reads, deciders = make(map[int64][]string), make(map[string]int64)
	for _, g := range p.Generations {
		d, err := e.definition(name, g)
		if err != nil || g.Cancelled || e.unfoldable(store.Generation{Projection: name, Number: g.Number}) {
			continue
		}
		set := sourceSet(d.Sources)
		if _, older := deciders[set]; !older || g.Number == p.Live {
			deciders[set] = g.Number
		}
		reads[g.Number] = d.Sources
	}
	return reads, deciders
}

// know makes sure that it is known what is published and which rounds are logged.
func (m *emission) know(ctx context.Context, next int64) error {
	if m.taken {
		return nil
	}
	if err := patiently(ctx, func() error { return m.try(ctx, next) }); err != nil {
		return fmt.Errorf("%w: %w", errUnreleased, err)
	}
	return nil
}

// decide takes a round that the task has decided on, to be logged with the next release.
func (m *emission) decide(r round) {
	if len(m.pending) == 0 && len(m.rounds) == 0 {
		m.member = m.emitter.cfg.membership()
	}
	m.rounds = append(m.rounds, r)
}

// course returns the logged round that goes on at a place, nil where there is none that the task knows of, whether
// the task decides what comes then, and what is closed when any of it may have changed.
func (m *emission) course(at vector) (logged *round, decides bool, changed <-chan struct{}, err error) {
	e := m.emitter
	e.mu.Lock()
	defer e.mu.Unlock()
	set := sourceSet(m.sources)
	decides, changed = e.deciders[set] == m.generation, e.rule.changed
	of := e.rounds[m.partition]
	if len(m.rounds) > 0 || of == nil {
		return nil, decides && of != nil, changed, nil
	}
	r, more, err := of.of(set).at(at)
	if more {
		logged = &r
	}
	return logged, decides, changed, err
}

// heard is what is known here of the logged rounds of a partition and a set of sources.
type heard struct {
	emitter   *emitter
	partition int32
	set       string
}

// ask calls fn with the rounds; they are not known where the partition is not held here.
func (h heard) ask(fn func(*course) error) error {
	h.emitter.mu.Lock()
	defer h.emitter.mu.Unlock()
	of := h.emitter.rounds[h.partition]
	if of == nil {
		return fmt.Errorf("the rounds of %s/%d: %w", h.emitter.cfg.projection, h.partition, ErrNotHere)
	}
	return fn(of.of(h.set))
}

// end returns where the last round ended, and what is closed when that may have changed.
func (h heard) end(n int) (end vector, changed <-chan struct{}, err error) {
	err = h.ask(func(c *course) error {
		end, changed = c.end(n), h.emitter.rule.changed
		return nil
	})
	return end, changed, err
}

// at returns the round that goes on at a place, or begins there; false beyond the last one.
func (h heard) at(v vector) (r round, more bool, err error) {
	err = h.ask(func(c *course) error {
		r, more, err = c.at(v)
		return err
	})
	return r, more, err
}

// with returns the round in which the event at an offset of a source was folded.
func (h heard) with(source int, offset int64) (r round, err error) {
	err = h.ask(func(c *course) error {
		var ok bool
		if r, ok = c.with(source, offset); !ok {
			return fmt.Errorf("%w: the one with offset %d of source %d is missing", errCourse, offset, source)
		}
		return nil
	})
	return r, err
}
