package engine

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/refold/refold/projections/store"
	"github.com/refold/refold/schemas/event"
	"github.com/refold/refold/streams/effect"
	"github.com/refold/refold/streams/group"
	"github.com/refold/refold/streams/position"
	"github.com/refold/refold/streams/timeline"
)

// paper is an effect partition that keeps what is released. The value of an effect is its position and its row.
type paper struct{ records []*kgo.Record }

func (p *paper) Ends(context.Context, ...string) (map[position.Partition]int64, error) {
	return map[position.Partition]int64{{Topic: "e"}: int64(len(p.records))}, nil
}

func (p *paper) Release(_ context.Context, records []effect.Record, _ effect.Done) (map[position.Partition]int64, error) {
	for _, r := range records {
		p.records = append(p.records, effect.Message(r))
	}
	return map[position.Partition]int64{{Topic: "e"}: int64(len(p.records))}, nil
}

func (p *paper) Close() {}

// told returns what was told, in order.
func (p *paper) told() string {
	var all []string
	for _, rec := range p.records {
		all = append(all, string(rec.Value))
	}
	return strings.Join(all, ", ")
}

// instance returns what publishes the effects of a process that has begun.
func (p *paper) instance() *emitter {
	return newEmitter(emitterConfig{
		projection: "p", source: "t", topics: []string{"e"}, logger: slog.New(slog.DiscardHandler),
		membership: func() group.Membership { return group.Membership{ID: "m"} },
		open:       func(context.Context) (outlet, error) { return p, nil },
		scan: func(_ context.Context, _ string, spans map[int32]timeline.Span, each func(timeline.Batch) error) error {
			return each(timeline.Batch{Topic: "e", Records: p.records[spans[0].Start:spans[0].End]})
		},
		read: func(_ context.Context, rec *timeline.Record) (out event.Effect, _ bool, err error) {
			out = event.Effect{Projection: "p", SourceTopic: "t", EffectID: string(rec.Value)}
			_, err = fmt.Sscan(string(rec.Value), &out.SourceOffset)
			return out, true, err
		},
	})
}

// effects returns those of some positions, of one row each.
func effects(of string, positions ...int64) (out []outgoing) {
	for _, at := range positions {
		value := fmt.Sprint(at, " ", of)
		out = append(out, outgoing{topic: "e", key: "k", source: "t", position: at, id: value, value: []byte(value)})
	}
	return out
}

// A generation that told of events beyond its reign, before it heard of the next one, left out those of its parked rows:
// the next one tells of them, and of nothing twice.
func TestWhatAGenerationLeftOutBeyondItsReign(t *testing.T) {
	p := new(paper)
	release := func(e *emitter, v voice, pending ...[]outgoing) {
		t.Helper()
		m := newEmission(e, v, fold{sources: []string{"t"}}, store.Checkpoint{Next: 5})
		m.pending = slices.Concat(pending...)
		slices.SortStableFunc(m.pending, func(a, b outgoing) int { return int(a.position - b.position) })
		if err := m.release(t.Context(), store.Checkpoint{Next: 20}); err != nil {
			t.Fatal(err)
		}
	}
	one := p.instance()
	one.rules(reigns(0), nil)
	release(one, voice{1, 0}, effects("a", 6, 8, 10)) // another row is parked, and the next reign began at 7
	for range 2 {                                     // and once more after a crash
		other := p.instance()
		other.rules(reigns(0, 7), nil)
		release(other, voice{2, 0}, effects("a", 8, 10, 11), effects("b", 8, 9))
	}
	if got, want := p.told(), "6 a, 8 a, 10 a, 8 b, 9 b, 11 a"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// What a generation has folded as its own, and is another's when its turn comes, is left to that one.
func TestAReignThatEndsBeforeTheTurn(t *testing.T) {
	p := new(paper)
	e := p.instance()
	e.rules(reigns(0), nil)
	m := newEmission(e, voice{1, 0}, fold{sources: []string{"t"}}, store.Checkpoint{})
	m.pending = effects("a", 6, 8)
	e.rules(reigns(0, 7), nil)
	if err := m.release(t.Context(), store.Checkpoint{Next: 9}); err != nil {
		t.Fatal(err)
	}
	if got := p.told(); got != "6 a" {
		t.Errorf("got %s", got)
	}
}
