package engine_test

import (
	"strings"
	"testing"
	"time"

	"github.com/refold/refold/projections/engine"
	"github.com/refold/refold/projections/projection"
	"github.com/refold/refold/projections/store/memory"
	"github.com/refold/refold/schemas/event"
	"github.com/refold/refold/streams/topic"
)

// What versions would emit is compared, also where one reads more than the other; and what the live one would have told
// and the one before it did not is told, once.
func TestEffectsOfSeveralSourcesAreComparedAndReleased(t *testing.T) {
	b := newSeveral(t)
	stores := memory.New()
	catalog := []*projection.Definition{oneSource(t, 1), mixedDefinition(t, 2)}
	_, stop := b.runs("test", stores, catalog[0])
	for range 3 {
		b.some()
	}
	b.news = b.written[1]
	b.all()
	stop()
	e, stop := b.runs("test", stores, catalog...)
	defer stop()
	op, err := e.Start(t.Context(), mixed, "tester", "")
	if err != nil {
		t.Fatal(err)
	}
	b.folded(stores, 2)
	var c *engine.EffectComparison
	until(t, "the rounds are logged", func() bool {
		if c, err = e.CompareEffects(t.Context(), mixed, 1, 2, 1000); err != nil {
			t.Fatal(err)
		}
		return c.Same+c.More == int64(b.written[0]+b.written[1])
	})
	if c.Same != int64(b.written[0]) || c.Less != 0 || c.Changed != 0 || len(c.Differences) != b.written[1] {
		t.Fatalf("got %+v, want %d as before and %d more", c, b.written[0], b.written[1])
	}
	if err := e.Promote(t.Context(), op, "tester", "it reads more", true); err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, d := range c.Differences {
		if !strings.Contains(d.More.Text, d.More.EffectID) || d.More.SourceTopic != topic.Transfers {
			t.Errorf("got %+v", d.More)
		}
		ids = append(ids, d.More.EffectID)
	}
	for _, want := range []int{len(ids), 0} {
		released, err := e.ReleaseEffects(t.Context(), mixed, ids, "tester", "they should know")
		if err != nil || len(released) != want {
			t.Errorf("got %v, %v, want %d", released, err, want)
		}
	}
	b.news = 0
	b.some()
	b.all()
	if c, err = e.CompareEffects(t.Context(), mixed, 2, 2, 10); err != nil || c.Less+c.More+c.Changed != 0 || c.Same == 0 {
		t.Errorf("with itself: got %+v, %v", c, err)
	}
}

// A replay begins with a snapshot, or folds some keys anew, or those that an event of either source touches.
func TestReplaysOfAPartOfSeveralSources(t *testing.T) {
	for name, catalog := range beside() {
		t.Run(name, func(t *testing.T) {
			b, stores := newSeveral(t), memory.New()
			b.snapshots = t.TempDir()
			e, stop := b.runs("test", stores, append(catalog, brittle(t, 1, new(marked)))...)
			defer stop()
			for range 4 {
				b.some()
			}
			b.all()
			made, err := e.CreateSnapshot(t.Context(), mixed, "tester", "")
			if err != nil || len(made.Positions) != 2*partitions {
				t.Fatalf("got %+v, %v", made, err)
			}
			for range 3 {
				b.some()
			}
			b.all()
			begun := time.Now().Add(-time.Hour).Format(time.RFC3339)
			for _, w := range []engine.Wish{
				{From: engine.FromSnapshot}, {From: begun}, {Keys: []string{"c1", "c2"}}, {Keys: []string{"@all"}},
				{TouchedBy: event.NameAccountFrozen}, {TouchedBy: event.NameEntryPosted},
			} {
				w.Projection = mixed
				plan, err := e.Plan(t.Context(), w)
				if err != nil || (plan.Snapshot == made.Snapshot) != (w.From == engine.FromSnapshot) || len(plan.Stretches) != 2*partitions {
					t.Fatalf("%+v: got %+v, %v", w, plan, err)
				}
				op, err := e.Begin(t.Context(), engine.Order{Wish: w, Plan: plan.Hash, Principal: "tester"})
				if err != nil {
					t.Fatal(err)
				}
				until(t, op+" is verified", func() bool { return b.status(e, op).State == engine.Verified })
				if s := b.status(e, op); s.Verified.Differences != 0 || s.Verified.Rows == 0 {
					t.Errorf("%+v: got %d differences in %d rows: %v", w, s.Verified.Differences, s.Verified.Rows, s.Differences)
				}
				b.some()
				b.all()
			}
		})
	}
}
