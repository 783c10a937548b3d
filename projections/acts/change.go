package acts

import (
	"fmt"
	"slices"
	"strings"

	"github.com/refold/refold/schemas/event"
)

// change is what an act does to a generation that there is. It returns why it must not.
type change func(p *Projection, g *Generation, a event.ActRecorded) string

// changes are the acts upon a generation that there is, by their kinds.
func changes() map[string]change {
	return map[string]change{
		event.ActGenerationVerified:  func(_ *Projection, g *Generation, a event.ActRecorded) string { g.Verified = &a; return "" },
		event.ActGenerationPromoted:  (*Projection).promote,
		event.ActGenerationRolled:    (*Projection).rollBack,
		event.ActGenerationCancelled: (*Projection).cancel,
		event.ActGenerationPaused:    (*Projection).pause,
		event.ActGenerationResumed:   (*Projection).resume,
		event.ActGenerationCapped:    (*Projection).limit,
		event.ActGenerationRetried:   (*Projection).retry,
		event.ActEffectsReleased:     func(*Projection, *Generation, event.ActRecorded) string { return "" }, // it is kept by the log
		event.ActRowRetried:          (*Projection).aboutRow,
		event.ActRowDiscarded:        (*Projection).aboutRow,
		event.ActSnapshotCreated: func(p *Projection, _ *Generation, a event.ActRecorded) string {
			p.Snapshots = append(p.Snapshots, a)
			return ""
		},
	}
}

// Known tells whether this build folds acts of a kind. Where it does not, nothing must be folded beyond: a
// newer build may have made of that act what this one cannot see.
func Known(kind string) bool { return kind == event.ActGenerationCreated || changes()[kind] != nil }

// fold changes p as the act says, or returns why it must not.
func (p *Projection) fold(a event.ActRecorded) string {
	if a.Kind == event.ActGenerationCreated {
		return p.create(a)
	}
	do := changes()[a.Kind]
	if do == nil {
		panic("acts: fold of unknown kind " + a.Kind) // Known was not asked
	}
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
	return do(p, g, a)
}

func (p *Projection) create(a event.ActRecorded) string {
	if want := p.Last() + 1; a.Generation != want {
		return fmt.Sprintf("generation %d of %s was made meanwhile", p.Last(), a.Projection)
	}
	p.Generations = append(p.Generations, Generation{Number: a.Generation, Version: a.Version, Hash: a.Hash, Created: a, MaxRate: a.MaxRate})
	if p.Live == 0 {
		p.Live = a.Generation
	}
	return ""
}

func (p *Projection) cancel(g *Generation, a event.ActRecorded) string {
	if g.Number == p.Live {
		return fmt.Sprintf("generation %d of %s is live and cannot be cancelled", g.Number, a.Projection)
	}
	g.Cancelled = true
	return ""
}

// Emits tells whether effects may still be waited for from a generation: it is live, or was before and has to come
// to where the reign of the live one begins.
func (p Projection) Emits(number int64) bool {
	n := len(p.Reigns)
	return number == p.Live || n > 1 && number == p.Reigns[n-2].Generation
}

// pause and limit are for what is built beside the live generation: that one folds as fast as it can.
func (p *Projection) pause(g *Generation, a event.ActRecorded) string {
	switch {
	case p.Emits(g.Number):
		return fmt.Sprintf("generation %d of %s is live, or was before, and cannot be paused", g.Number, a.Projection)
	case g.Paused != nil:
		return fmt.Sprintf("generation %d of %s is paused already", g.Number, a.Projection)
	}
	g.Paused = &a
	return ""
}

func (p *Projection) resume(g *Generation, a event.ActRecorded) string {
	if g.Paused == nil {
		return fmt.Sprintf("generation %d of %s is not paused", g.Number, a.Projection)
	}
	g.Paused = nil
	return ""
}

func (p *Projection) retry(g *Generation, a event.ActRecorded) string {
	if g.Paused != nil {
		return fmt.Sprintf("generation %d of %s is paused: resume it", g.Number, a.Projection)
	}
	g.Retried = &a
	return ""
}

func (p *Projection) limit(g *Generation, a event.ActRecorded) string {
	switch {
	case p.Emits(g.Number):
		return fmt.Sprintf("generation %d of %s is live, or was before, and folds as fast as it can", g.Number, a.Projection)
	case a.MaxRate < 0:
		return "a rate is not less than 0"
	}
	g.MaxRate = a.MaxRate
	return ""
}

func (p *Projection) promote(g *Generation, a event.ActRecorded) string {
	switch {
	case g.Number == p.Live:
		return fmt.Sprintf("generation %d of %s is live already", g.Number, a.Projection)
	case a.Forced && strings.TrimSpace(a.Reason) == "":
		return "a forced promotion needs a reason"
	case !a.Forced && g.Verified == nil:
		return fmt.Sprintf("generation %d of %s was not compared with the live one", g.Number, a.Projection)
	case !a.Forced && g.Verified.ExpectedLive != p.Live:
		return fmt.Sprintf("generation %d of %s was compared with generation %d, which is not live any more", g.Number, a.Projection, g.Verified.ExpectedLive)
	case !a.Forced && g.Verified.Differences > 0:
		return fmt.Sprintf("generation %d of %s differs from the live one in %d rows", g.Number, a.Projection, g.Verified.Differences)
	}
	g.Before, g.Promoted, g.Paused = p.Live, &a, nil
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
