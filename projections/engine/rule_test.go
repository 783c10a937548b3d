package engine

import (
	"math"
	"testing"

	"github.com/refold/refold/projections/acts"
	"github.com/refold/refold/projections/store"
	"github.com/refold/refold/schemas/event"
	"github.com/refold/refold/streams/timeline"
)

func reigns(from ...int64) (out []acts.Reign) {
	for i, offset := range from {
		out = append(out, acts.Reign{Generation: int64(1 + i%2), From: []event.TopicPosition{{Topic: "t", Offset: offset}}})
	}
	return out
}

// A generation that has gone beyond the end of its reign before it knew of it does not wait for the next one, which
// waits for it.
func TestNoTwoGenerationsWaitForEachOther(t *testing.T) {
	e := newEmitter(emitterConfig{source: "t"})
	one, two := voice{1, 0}, voice{2, 0}
	e.rules(reigns(0), nil)
	e.passed(one, store.Checkpoint{Next: 5})
	e.rules(reigns(0, 7), nil)
	e.passed(one, store.Checkpoint{Next: 9}) // it has learned of the new reign between its fold and its save
	if got, _ := e.limit(two, "t", 5); got != math.MaxInt64 {
		t.Errorf("the new generation may fold up to %d", got)
	}
	if got, _ := e.limit(one, "t", 9); got != 9 {
		t.Errorf("the one before may fold up to %d, not 9", got)
	}
	e.passed(two, store.Checkpoint{Next: 12})
	if got, _ := e.limit(one, "t", 9); got != 12 {
		t.Errorf("the one before may fold up to %d, not 12", got)
	}
}

func TestWhoEmits(t *testing.T) {
	e := newEmitter(emitterConfig{source: "t"})
	e.rules(reigns(3, 7, 7, 9), nil) // the second reign is empty
	for at, want := range map[int64]int64{2: 0, 3: 1, 6: 1, 7: 1, 8: 1, 9: 2, 100: 2} {
		for _, generation := range []int64{1, 2} {
			if got := e.emits(voice{generation, 0}, "t", at); got != (generation == want) {
				t.Errorf("generation %d, position %d: got %v", generation, at, got)
			}
		}
	}
	for _, c := range []struct {
		generation, from, to int64
		want                 bool
	}{{1, 0, 2, false}, {1, 0, 3, true}, {1, 8, 20, true}, {1, 9, 20, false}, {2, 0, 8, false}, {2, 0, 9, true}, {2, 20, 19, false}} {
		if got := e.speaks(voice{c.generation, 0}, "t", timeline.Span{Start: c.from, End: c.to + 1}); got != c.want {
			t.Errorf("generation %d from %d to %d: got %v", c.generation, c.from, c.to, got)
		}
	}
	if got, _ := e.limit(voice{2, 0}, "t", 0); got != 3 {
		t.Errorf("it may fold up to %d, not 3", got)
	}
	e.stands(voice{1, 0}, true)
	if got, _ := e.limit(voice{2, 0}, "t", 0); got != math.MaxInt64 {
		t.Errorf("it waits at %d for a task that stands still", got)
	}
}

// A generation that is cancelled owes what it has not emitted of its reign.
func TestACancelledGenerationOwesItsReign(t *testing.T) {
	e := newEmitter(emitterConfig{source: "t"})
	one, two := voice{1, 0}, voice{2, 0}
	e.rules(reigns(0, 7), nil)
	e.passed(one, store.Checkpoint{Next: 5})
	if !e.owes(one) || e.owes(two) {
		t.Errorf("before its end: got %v and %v", e.owes(one), e.owes(two))
	}
	e.passed(one, store.Checkpoint{Next: 8})
	if e.owes(one) {
		t.Error("it owes what it has released")
	}
}

// What a generation reads may change while as many generations are there as before.
func TestWhatIsReadIsKnownAnew(t *testing.T) {
	e := newEmitter(emitterConfig{projection: "p", source: "t"})
	e.rules(reigns(0, 10), nil)
	second := voice{2, 0}
	e.plays(map[int64][]string{1: {"t"}, 2: {"t"}}, nil)
	if free, _ := e.limit(second, "t", 5); free != 5 {
		t.Errorf("it may fold up to %d before the first has released what is its own, want 5", free)
	}
	e.plays(map[int64][]string{1: {"u"}, 2: {"t"}}, nil)
	if free, _ := e.limit(second, "t", 5); free != math.MaxInt64 {
		t.Errorf("it waits at %d for one that does not read the source", free)
	}
}
