// Package acts is the control of the platform as a fold: which generations there are, which one is live,
// and who decided so.
//
// The order of the topic refold.acts decides. Everyone folds it; an act whose expectation no longer holds
// is refused by every reader alike and changes nothing. So there is no second store of what is live, and
// the audit trail cannot differ from what happened.
package acts

import (
	"fmt"
	"slices"

	"github.com/refold/refold/schemas/event"
)

// State is the fold of all acts up to one offset. The zero State is before the first. It is not changed
// by anyone but Fold.
type State struct {
	// Next is the offset of the first act that is not folded.
	Next        int64
	projections map[string]*Projection
}

// Projection is what was decided about one projection.
type Projection struct {
	// Live is the generation that answers queries; 0 before the first.
	Live        int64
	Generations []Generation
}

// Generation is one build of a projection's rows.
type Generation struct {
	Number  int64
	Version int64
	Hash    string
	// Created is the act that made it, Verified the last comparison with the live one, Promoted the last
	// promotion. The latter two are nil where there was none.
	Created  event.ActRecorded
	Verified *event.ActRecorded
	Promoted *event.ActRecorded
	// Before is the generation that was live before the promotion.
	Before int64
	// Cancelled says that its rows are gone for ever.
	Cancelled bool
}

// Refusal says why an act changed nothing.
type Refusal struct {
	ActID string
	Why   string
}

func (r *Refusal) Error() string { return fmt.Sprintf("act %s was refused: %s", r.ActID, r.Why) }

// Projection returns what was decided about a projection. The result must not be changed.
func (s *State) Projection(name string) Projection {
	if p := s.projections[name]; p != nil {
		return *p
	}
	return Projection{}
}

// Generation returns a generation by its number.
func (p Projection) Generation(number int64) (Generation, bool) {
	i := slices.IndexFunc(p.Generations, func(g Generation) bool { return g.Number == number })
	if i < 0 {
		return Generation{}, false
	}
	return p.Generations[i], true
}

// Last returns the highest generation number given so far, 0 before the first.
func (p Projection) Last() int64 {
	if len(p.Generations) == 0 {
		return 0
	}
	return p.Generations[len(p.Generations)-1].Number
}

// Fold returns the state after one more act, of a Known kind. A refused act leaves everything but Next as it
// was.
func (s *State) Fold(offset int64, a event.ActRecorded) (*State, *Refusal) {
	next := &State{Next: offset + 1, projections: make(map[string]*Projection, len(s.projections)+1)}
	for name, p := range s.projections {
		next.projections[name] = p
	}
	p := s.Projection(a.Projection)
	p.Generations = slices.Clone(p.Generations)
	if why := p.fold(a); why != "" {
		return next, &Refusal{ActID: a.ActID, Why: why}
	}
	next.projections[a.Projection] = &p
	return next, nil
}

// Known tells whether this build folds acts of a kind. Where it does not, nothing must be folded beyond: a
// newer build may have made of that act what this one cannot see.
func Known(kind string) bool {
	switch kind {
	case event.ActGenerationCreated, event.ActGenerationVerified, event.ActGenerationPromoted,
		event.ActGenerationRolled, event.ActGenerationCancelled:
		return true
	}
	return false
}

// fold changes p as the act says, or returns why it must not.
func (p *Projection) fold(a event.ActRecorded) string {
	switch a.Kind {
	case event.ActGenerationCreated:
		return p.create(a)
	case event.ActGenerationVerified, event.ActGenerationPromoted, event.ActGenerationRolled, event.ActGenerationCancelled:
		return p.change(a)
	}
	panic("acts: fold of unknown kind " + a.Kind) // Known was not asked
}

func (p *Projection) create(a event.ActRecorded) string {
	if want := p.Last() + 1; a.Generation != want {
		return fmt.Sprintf("generation %d of %s was made meanwhile", p.Last(), a.Projection)
	}
	p.Generations = append(p.Generations, Generation{Number: a.Generation, Version: a.Version, Hash: a.Hash, Created: a})
	if p.Live == 0 {
		p.Live = a.Generation
	}
	return ""
}

func (p *Projection) change(a event.ActRecorded) string {
	i := slices.IndexFunc(p.Generations, func(g Generation) bool { return g.Number == a.Generation })
	if i < 0 {
		return fmt.Sprintf("%s has no generation %d", a.Projection, a.Generation)
	}
	g := &p.Generations[i]
	if g.Cancelled {
		return fmt.Sprintf("generation %d of %s is cancelled", a.Generation, a.Projection)
	}
	if a.ExpectedLive != p.Live {
		return fmt.Sprintf("generation %d of %s is live, not %d", p.Live, a.Projection, a.ExpectedLive)
	}
	switch a.Kind {
	case event.ActGenerationVerified:
		g.Verified = &a
		return ""
	case event.ActGenerationPromoted:
		return p.promote(g, a)
	case event.ActGenerationRolled:
		return p.rollBack(g, a)
	}
	if a.Generation == p.Live {
		return fmt.Sprintf("generation %d of %s is live and cannot be cancelled", a.Generation, a.Projection)
	}
	g.Cancelled = true
	return ""
}

func (p *Projection) promote(g *Generation, a event.ActRecorded) string {
	switch {
	case g.Number == p.Live:
		return fmt.Sprintf("generation %d of %s is live already", g.Number, a.Projection)
	case a.Forced && a.Reason == "":
		return "a forced promotion needs a reason"
	case !a.Forced && g.Verified == nil:
		return fmt.Sprintf("generation %d of %s was not compared with the live one", g.Number, a.Projection)
	case !a.Forced && g.Verified.ExpectedLive != p.Live:
		return fmt.Sprintf("generation %d of %s was compared with generation %d, which is not live any more", g.Number, a.Projection, g.Verified.ExpectedLive)
	case !a.Forced && g.Verified.Differences > 0:
		return fmt.Sprintf("generation %d of %s differs from the live one in %d rows", g.Number, a.Projection, g.Verified.Differences)
	}
	g.Before, g.Promoted = p.Live, &a
	p.Live = g.Number
	for i := range p.Generations {
		// The one before stands by, so that a roll-back is a flip; what is older is of no use any more.
		if n := p.Generations[i].Number; n < g.Before && n != g.Number {
			p.Generations[i].Cancelled = true
		}
	}
	return ""
}

func (p *Projection) rollBack(g *Generation, a event.ActRecorded) string {
	if g.Number != p.Live {
		return fmt.Sprintf("generation %d of %s is not live", g.Number, a.Projection)
	}
	before, ok := p.Generation(g.Before)
	if !ok || before.Cancelled {
		return fmt.Sprintf("there is no generation of %s to go back to", a.Projection)
	}
	p.Live = before.Number
	g.Promoted, g.Before = nil, 0
	return ""
}
