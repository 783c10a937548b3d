package engine

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/refold/refold/projections/acts"
	"github.com/refold/refold/projections/projection"
	"github.com/refold/refold/schemas/event"
	"github.com/refold/refold/streams/position"
	"github.com/refold/refold/streams/timeline"
)

// Wish is what a replay is wanted to be.
type Wish struct {
	Projection string
	// From is where it begins: beginning, snapshot, snapshot:NAME, an offset, a position token,
	// a time (RFC 3339) or so long ago (-24h); "" is the beginning.
	From string
	// Keys are the partition keys whose rows are folded anew, and TouchedBy names an event that touches such
	// keys; the rows of all others are taken over from the live generation. Without either, all are folded.
	Keys      []string
	TouchedBy string
}

// partial tells whether some rows are taken over from the live generation.
func (w Wish) partial() bool { return len(w.Keys) > 0 || w.TouchedBy != "" }

// Figure is a number of a plan, and how it is known.
type Figure struct {
	Value int64
	Known Knowledge
}

// Knowledge is how a number of a plan is known.
type Knowledge int

// Ways of knowing a number.
const (
	Unknown Knowledge = iota
	Estimated
	Counted
)

// Stretch is what a plan reads of one partition.
type Stretch struct {
	Topic      string
	Partition  int32
	Begin, End int64
	// Start is where the log of the partition begins; between Begin and a later Start there is a hole.
	Start int64
}

// Hole returns how many offsets are missing.
func (s Stretch) Hole() int64 { return max(min(s.Start, s.End)-s.Begin, 0) }

// Plan is what a replay would be. Its first fields are what was decided, and Hash is over them; the others
// are what was found, and may be found otherwise a moment later.
type Plan struct {
	Wish
	Hash string
	// Live is the generation beside which the new one is built, Version and FoldHash are those of its fold.
	Live, Version int64
	FoldHash      string
	// Snapshot is the one that it begins with; "" is none.
	Snapshot string
	Topic    string
	// Stretches are in the order of the sources and their partitions.
	Stretches []Stretch
	// Events and Bytes are what is read, Rows what they are folded into, Silenced the effects that are not
	// published again.
	Events, Bytes, Rows, Silenced Figure
	// Rate is that of the last rebuild in this process, in records per second; 0 where there was none.
	Rate float64
}

// ETA returns how long the replay will take, 0 where that is not known.
func (p *Plan) ETA() time.Duration { return needed(p.Events.Value, p.Rate) }

// Plan returns what a replay would be if it were started now.
func (e *Engine) Plan(ctx context.Context, w Wish) (*Plan, error) {
	if err := e.cfg.Acts.Ready(ctx); err != nil {
		return nil, fmt.Errorf("plan a replay of %s: %w", w.Projection, err)
	}
	plan, err := e.resolve(ctx, w)
	if err == nil {
		err = e.estimate(ctx, plan)
	}
	if err != nil {
		return nil, fmt.Errorf("plan a replay of %s: %w", w.Projection, err)
	}
	return plan, nil
}

// resolve returns a plan without its estimates.
func (e *Engine) resolve(ctx context.Context, w Wish) (*Plan, error) {
	d, err := e.newest(w.Projection)
	if err != nil {
		return nil, err
	}
	state, _ := e.cfg.Acts.State()
	p := state.Projection(w.Projection)
	if w.From == "" {
		w.From = FromBeginning
	}
	if w.partial() {
		if err := takesOver(p, d, w); err != nil {
			return nil, err
		}
	}
	plan := &Plan{Wish: w, Live: p.Live, Version: d.Version, FoldHash: d.Hash, Topic: d.Topic}
	base, err := e.choose(ctx, p, d, w.From)
	if err != nil {
		return nil, err
	}
	var begins []event.TopicPosition
	if base != nil {
		plan.Snapshot, begins = base.Snapshot, base.Positions
	}
	for _, topic := range d.Sources {
		spans, err := timeline.Spans(ctx, e.cfg.Cluster, topic)
		if err != nil {
			return nil, err
		}
		for _, n := range slices.Sorted(maps.Keys(spans)) {
			begin := offsetIn(begins, position.Partition{Topic: topic, Partition: n})
			plan.Stretches = append(plan.Stretches, Stretch{Topic: topic, Partition: n, Begin: begin, End: spans[n].End, Start: spans[n].Start})
		}
	}
	plan.Hash = plan.sum()
	return plan, nil
}

// offsetIn returns the offset that positions name of a partition; 0 where they name none.
func offsetIn(positions []event.TopicPosition, at position.Partition) int64 {
	for _, p := range positions {
		if p.Topic == at.Topic && p.Partition == at.Partition {
			return p.Offset
		}
	}
	return 0
}

// takesOver says why rows cannot be taken over from the live generation: only the same fold makes rows that
// may stand beside the new ones.
func takesOver(p acts.Projection, d *projection.Definition, w Wish) error {
	live, _ := p.Generation(p.Live)
	switch {
	case w.TouchedBy != "" && event.Schema(w.TouchedBy) == "":
		return fmt.Errorf("%w: there is no event %q", ErrWish, w.TouchedBy)
	case w.From != FromBeginning:
		return fmt.Errorf("%w: a replay of some keys folds them from the beginning", ErrWish)
	case live.Version != d.Version || live.Hash != d.Hash:
		return fmt.Errorf("%w: the live generation is of version %d, and the rows of a replay of some keys must be of one version: replay all", ErrWish, live.Version)
	}
	return nil
}

// sum is a hash over what was decided. Where the log ends is not part of it: it grows all the time.
func (p *Plan) sum() string {
	begins := make([]int64, 0, 2*len(p.Stretches))
	for _, s := range p.Stretches {
		begins = append(begins, s.Begin, s.Hole())
	}
	// Strings, numbers and slices of them can always be marshalled.
	b, _ := json.Marshal([]any{p.Projection, p.Live, p.Version, p.FoldHash, p.Snapshot, p.Keys, p.TouchedBy, begins})
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:16])
}

// Order starts a replay.
type Order struct {
	Wish
	// Plan is the hash of the plan that is started; "" starts whatever is planned now.
	Plan string
	// MaxRate bounds the records that are folded in a second; 0 does not.
	MaxRate           int64
	Principal, Reason string
}

// Begin starts a replay: a new generation beside the live one. A *acts.Refusal says where the plan is another
// one by now, or cannot be carried out.
func (e *Engine) Begin(ctx context.Context, o Order) (operation string, err error) {
	if err := e.cfg.Acts.Ready(ctx); err != nil {
		return "", fmt.Errorf("replay %s: %w", o.Projection, err)
	}
	plan, err := e.resolve(ctx, o.Wish)
	if err != nil {
		return "", fmt.Errorf("replay %s: %w", o.Projection, err)
	}
	if o.Plan != "" && o.Plan != plan.Hash {
		return "", &acts.Refusal{Why: fmt.Sprintf("what would be started now is plan %s, not %s: plan it again", plan.Hash, o.Plan)}
	}
	if i := slices.IndexFunc(plan.Stretches, func(s Stretch) bool { return s.Hole() > 0 }); i >= 0 {
		s := plan.Stretches[i]
		return "", &acts.Refusal{Why: fmt.Sprintf("%s/%d holds nothing before offset %d: rows begun there would lack the events before it", s.Topic, s.Partition, s.Start)}
	}
	number, err := e.create(ctx, plan, o)
	if err != nil {
		return "", fmt.Errorf("replay %s: %w", o.Projection, err)
	}
	return Operation(o.Projection, number), nil
}

// Start begins a replay of all rows, from the beginning of the log.
func (e *Engine) Start(ctx context.Context, name, principal, reason string) (operation string, err error) {
	return e.Begin(ctx, Order{Wish: Wish{Projection: name}, Principal: principal, Reason: reason})
}
