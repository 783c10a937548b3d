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
	Paused
)

// Status is a generation as it stands.
type Status struct {
	acts.Generation
	// Topic is the source; "" where this build cannot fold the generation.
	Topic    string
	State    State
	Progress []Progress
	Lag      int64
	// Parked is how many rows stand still, each since an event that could not be folded.
	Parked int
	// Behind is for how long there has been a record that is not folded.
	Behind    time.Duration
	Rate      float64
	EventTime time.Time
	Err       error
	// Differences are the first rows that the last verification found, and LiveDigest is what it found of
	// the live generation, where it ran in this process.
	Differences []Difference
	LiveDigest  string
	// Drill is what the last drill of the live generation found in this process; nil where there was none.
	Drill *Drill
	// Incomparable is why the generation is ready and could not be compared with the live one.
	Incomparable error
}

// ETA returns how long the generation will need to fold all there is, 0 where that is not known.
func (s Status) ETA() time.Duration { return needed(s.Lag, s.Rate) }

// Folded returns how many offsets lie behind the tasks held here.
func (s Status) Folded() (n int64) {
	for _, t := range s.Progress {
		n += t.Next
	}
	return n
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
	if d, err := e.definition(name, g); err == nil {
		s.Topic = d.Topic
	}
	e.mu.Lock()
	r := e.running[id]
	s.Err = e.failed[id]
	if d, ok := e.drills[name]; ok && g.Number == p.Live {
		s.Drill = &d
	}
	if r != nil {
		s.Differences, s.LiveDigest, s.Incomparable = r.examples, r.digest, r.incomparable
	}
	e.mu.Unlock()
	if r != nil {
		s.Progress, s.Rate = r.Progress(), r.Rate()
		s.sum()
	}
	s.State = stateOf(s, p)
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
		s.Behind = max(s.Behind, t.Behind)
		s.Parked += len(t.Parked)
	}
}

func stateOf(s Status, p acts.Projection) State {
	live, _ := p.Generation(p.Live)
	switch {
	case s.Cancelled:
		return Cancelled
	case s.Err != nil:
		return Stuck
	case s.Paused != nil:
		return Paused
	case s.Number == p.Live:
		return Live
	case s.Number == live.Before:
		return Standby
	case !s.caughtUp():
		return Building
	case s.Verified != nil && s.Verified.ExpectedLive == p.Live:
		return Verified
	}
	return Ready
}

// caughtUp tells whether the generation has folded nearly all there is, of every partition held here.
func (s Status) caughtUp() bool {
	return s.known() && s.Lag < farBehind
}

// known tells whether there are tasks here and all know how far they are.
func (s Status) known() bool {
	unknown := slices.ContainsFunc(s.Progress, func(p Progress) bool { return !p.Known() })
	return len(s.Progress) > 0 && !unknown
}

// settleWithin bounds the wait until it is known how far the tasks of a generation are.
const settleWithin = 5 * time.Second

// settled returns a generation as it stands once all its tasks here know how far they are: for a moment after
// partitions were shared out anew they do not.
func (e *Engine) settled(ctx context.Context, name string, p acts.Projection, g acts.Generation) Status {
	bounded, cancel := context.WithTimeout(ctx, settleWithin)
	defer cancel()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for {
		s := e.status(name, p, g)
		if s.State == Stuck || s.State == Cancelled || s.known() {
			return s
		}
		select {
		case <-ticker.C:
		case <-bounded.Done():
			return s
		}
	}
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

// Promote makes a replay's generation live; the one that was live stands by, those before it are cancelled.
// A *acts.Refusal says why it must not be, unless it is forced.
func (e *Engine) Promote(ctx context.Context, operation, principal, reason string, force bool) error {
	name, p, g, err := e.parse(operation)
	if err != nil {
		return err
	}
	if s := e.settled(ctx, name, p, g); !force && s.State == Stuck {
		return &acts.Refusal{Why: fmt.Sprintf("generation %d of %s stands still: %v", g.Number, name, s.Err)}
	} else if !force && s.Verified != nil && !s.caughtUp() {
		return &acts.Refusal{Why: fmt.Sprintf("generation %d of %s has not caught up here: %d records to fold", g.Number, name, s.Lag)}
	}
	ends, err := e.sourceEnds(ctx, name)
	if err != nil {
		return err
	}
	return e.about(ctx, name, p, g, event.ActRecorded{
		Kind: event.ActGenerationPromoted, Principal: principal, Reason: reason, Forced: force, Positions: ends,
	})
}

// Rollback makes the generation live again that was live before a replay was promoted.
func (e *Engine) Rollback(ctx context.Context, operation, principal, reason string) error {
	name, p, g, err := e.parse(operation)
	if err != nil {
		return err
	}
	ends, err := e.sourceEnds(ctx, name)
	if err != nil {
		return err
	}
	return e.about(ctx, name, p, g, event.ActRecorded{
		Kind: event.ActGenerationRolled, Principal: principal, Reason: reason, Positions: ends,
	})
}

// Cancel ends a replay that is not live and drops its rows.
func (e *Engine) Cancel(ctx context.Context, operation, principal, reason string) error {
	return e.do(ctx, operation, event.ActRecorded{Kind: event.ActGenerationCancelled, Principal: principal, Reason: reason})
}

// Pause stops a replay where it is until it is resumed, whatever restarts meanwhile.
func (e *Engine) Pause(ctx context.Context, operation, principal, reason string) error {
	return e.do(ctx, operation, event.ActRecorded{Kind: event.ActGenerationPaused, Principal: principal, Reason: reason})
}

// Resume lets a paused replay go on.
func (e *Engine) Resume(ctx context.Context, operation, principal, reason string) error {
	return e.do(ctx, operation, event.ActRecorded{Kind: event.ActGenerationResumed, Principal: principal, Reason: reason})
}

// Retry starts the tasks of a generation anew, from what they have saved: those that stand still try again.
func (e *Engine) Retry(ctx context.Context, operation, principal, reason string) error {
	return e.do(ctx, operation, event.ActRecorded{Kind: event.ActGenerationRetried, Principal: principal, Reason: reason})
}

// Cap bounds the records that a replay folds in a second, from now on; 0 lifts the bound.
func (e *Engine) Cap(ctx context.Context, operation, principal, reason string, maxRate int64) error {
	return e.do(ctx, operation, event.ActRecorded{Kind: event.ActGenerationCapped, Principal: principal, Reason: reason, MaxRate: maxRate})
}

func (e *Engine) do(ctx context.Context, operation string, a event.ActRecorded) error {
	name, p, g, err := e.parse(operation)
	if err != nil {
		return err
	}
	return e.about(ctx, name, p, g, a)
}

// about acts on a generation that there is.
func (e *Engine) about(ctx context.Context, name string, p acts.Projection, g acts.Generation, a event.ActRecorded) error {
	a.Projection, a.Generation, a.ExpectedLive, a.Version, a.Hash = name, g.Number, p.Live, g.Version, g.Hash
	return e.act(ctx, a)
}

// act acts, and says what this process was built from.
func (e *Engine) act(ctx context.Context, a event.ActRecorded) error {
	a.Build = e.cfg.Build
	return e.cfg.Acts.Do(ctx, a)
}
