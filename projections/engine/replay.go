package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/refold/refold/projections/acts"
	"github.com/refold/refold/projections/store"
	"github.com/refold/refold/schemas/event"
)

// ErrUnknown is wrapped where there is no such projection, generation or operation.
var ErrUnknown = errors.New("there is no such projection or replay")

// State is a word for how far a generation is.
type State int

// States of a generation, as in the control API.
const (
	Live State = iota + 1
	Building
	Ready
	Verified
	Standby
	Cancelled
	Stuck
)

// Status is a generation as it stands.
type Status struct {
	acts.Generation
	State    State
	Progress []Progress
	Lag      int64
	// Oldest is how long ago the last folded record was recorded, where there are more; else 0.
	Oldest    time.Duration
	Rate      float64
	EventTime time.Time
	Err       error
	// Differences are the first rows that the last verification found, and LiveDigest is what it found of
	// the live generation, where it ran in this process.
	Differences []Difference
	LiveDigest  string
}

// ETA returns how long the generation will need to fold all there is, 0 where that is not known.
func (s Status) ETA() time.Duration {
	if s.Rate < 1 {
		return 0
	}
	return time.Duration(float64(s.Lag) / s.Rate * float64(time.Second))
}

// Statuses returns the live generation of a projection and the state of each, oldest first.
func (e *Engine) Statuses(name string) (live int64, all []Status, err error) {
	if _, err := e.newest(name); err != nil {
		return 0, nil, err
	}
	state, _ := e.cfg.Acts.State()
	p := state.Projection(name)
	for _, g := range p.Generations {
		all = append(all, e.status(name, p, g))
	}
	return p.Live, all, nil
}

func (e *Engine) status(name string, p acts.Projection, g acts.Generation) Status {
	id := store.Generation{Projection: name, Number: g.Number}
	s := Status{Generation: g}
	e.mu.Lock()
	r := e.running[id]
	s.Err = e.failed[id]
	if r != nil {
		s.Differences, s.LiveDigest = r.examples, r.digest
	}
	e.mu.Unlock()
	if r != nil {
		s.Progress, s.Rate = r.Progress(), r.Rate()
		s.sum()
	}
	s.State = stateOf(s, p.Live)
	return s
}

// sum adds up the tasks.
func (s *Status) sum() {
	for _, t := range s.Progress {
		s.Lag += t.Lag()
		if t.Err != nil && s.Err == nil {
			s.Err = fmt.Errorf("partition %d: %w", t.Partition, t.Err)
		}
		if t.EventTime.After(s.EventTime) {
			s.EventTime = t.EventTime
		}
		if t.Lag() > 0 && !t.EventTime.IsZero() {
			s.Oldest = max(s.Oldest, time.Since(t.EventTime))
		}
	}
}

func stateOf(s Status, live int64) State {
	switch {
	case s.Cancelled:
		return Cancelled
	case s.Err != nil:
		return Stuck
	case s.Number == live:
		return Live
	case s.Number < live:
		return Standby
	case s.Verified != nil && s.Verified.ExpectedLive == live:
		return Verified
	case len(s.Progress) > 0 && s.Lag < farBehind:
		return Ready
	}
	return Building
}

// Operation names a replay: projection and generation.
func Operation(name string, generation int64) string {
	return name + "-" + strconv.FormatInt(generation, 10)
}

// parse returns the projection and the generation of an operation.
func (e *Engine) parse(operation string) (string, acts.Projection, acts.Generation, error) {
	i := strings.LastIndexByte(operation, '-')
	if i > 0 {
		number, err := strconv.ParseInt(operation[i+1:], 10, 64)
		name := operation[:i]
		state, _ := e.cfg.Acts.State()
		p := state.Projection(name)
		if g, ok := p.Generation(number); ok && err == nil && slices.Contains(e.Names(), name) {
			return name, p, g, nil
		}
	}
	return "", acts.Projection{}, acts.Generation{}, fmt.Errorf("%w: %q", ErrUnknown, operation)
}

// Find returns an operation's projection, which generation is live, and the operation's generation.
func (e *Engine) Find(operation string) (name string, live int64, s Status, err error) {
	name, p, g, err := e.parse(operation)
	if err != nil {
		return "", 0, Status{}, err
	}
	return name, p.Live, e.status(name, p, g), nil
}

// Start begins a replay: a new generation, from the beginning of the log, beside the live one.
func (e *Engine) Start(ctx context.Context, name, principal, reason string) (operation string, err error) {
	if err := e.cfg.Acts.Ready(ctx); err != nil {
		return "", fmt.Errorf("replay %s: %w", name, err)
	}
	state, _ := e.cfg.Acts.State()
	next := state.Projection(name).Last() + 1
	if err := e.create(ctx, name, principal, reason); err != nil {
		return "", fmt.Errorf("replay %s: %w", name, err)
	}
	return Operation(name, next), nil
}

// Promote makes a replay's generation live, and drops those older than the one that was live so far. A
// *acts.Refusal says why it must not be.
func (e *Engine) Promote(ctx context.Context, operation, principal, reason string, force bool) error {
	name, p, g, err := e.parse(operation)
	if err != nil {
		return err
	}
	err = e.act(ctx, name, p, g, event.ActRecorded{
		Kind: event.ActGenerationPromoted, Principal: principal, Reason: reason, Forced: force, Positions: e.positions(name, p.Live),
	})
	if err != nil {
		return err
	}
	for _, old := range p.Generations {
		if old.Cancelled || old.Number >= p.Live {
			continue
		}
		superseded := event.ActRecorded{Kind: event.ActGenerationCancelled, Principal: Platform, Reason: "generation " + strconv.FormatInt(p.Live, 10) + " stands by"}
		p.Live = g.Number
		if err := e.act(ctx, name, p, old, superseded); err != nil {
			return err
		}
	}
	return nil
}

// Rollback makes the generation live again that was live before a replay was promoted.
func (e *Engine) Rollback(ctx context.Context, operation, principal, reason string) error {
	name, p, g, err := e.parse(operation)
	if err != nil {
		return err
	}
	return e.act(ctx, name, p, g, event.ActRecorded{
		Kind: event.ActGenerationRolled, Principal: principal, Reason: reason, Positions: e.positions(name, p.Live),
	})
}

// Cancel ends a replay that is not live and drops its rows.
func (e *Engine) Cancel(ctx context.Context, operation, principal, reason string) error {
	name, p, g, err := e.parse(operation)
	if err != nil {
		return err
	}
	return e.act(ctx, name, p, g, event.ActRecorded{Kind: event.ActGenerationCancelled, Principal: principal, Reason: reason})
}

func (e *Engine) act(ctx context.Context, name string, p acts.Projection, g acts.Generation, a event.ActRecorded) error {
	a.Projection, a.Generation, a.ExpectedLive, a.Version, a.Hash = name, g.Number, p.Live, g.Version, g.Hash
	return e.cfg.Acts.Do(ctx, a)
}

// positions returns where a generation's sources end, as last seen.
func (e *Engine) positions(name string, generation int64) []event.TopicPosition {
	d, err := e.newest(name)
	r := e.acquire(store.Generation{Projection: name, Number: generation})
	if r == nil {
		return nil
	}
	defer r.readers.Done()
	if err != nil {
		return nil
	}
	var out []event.TopicPosition
	for _, t := range r.Progress() {
		out = append(out, event.TopicPosition{Topic: d.Topic, Partition: t.Partition, Offset: t.End})
	}
	return out
}
