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
	// Snapshots are the acts that made snapshots, oldest first.
	Snapshots []event.ActRecorded
	// Reigns say which generation emits, oldest first. They are never empty once there is a generation.
	Reigns []Reign
	// Rows are the acts about parked rows, oldest first.
	Rows []RowAct
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
	// Paused is the act that stopped it, nil where it may fold; Retried is the last that made it try again.
	Paused, Retried *event.ActRecorded
	// MaxRate is how many records it folds in a second at most while it is not live; 0 is any number.
	MaxRate int64
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
	p.Generations, p.Snapshots, p.Reigns = slices.Clone(p.Generations), slices.Clone(p.Snapshots), slices.Clone(p.Reigns)
	p.Rows = slices.Clone(p.Rows)
	live := p.Live
	if why := p.fold(a); why != "" {
		return next, &Refusal{ActID: a.ActID, Why: why}
	}
	if p.Live != live {
		p.Reigns = append(p.Reigns, Reign{Generation: p.Live, From: a.Positions})
	}
	next.projections[a.Projection] = &p
	return next, nil
}
