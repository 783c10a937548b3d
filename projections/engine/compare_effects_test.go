package engine_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/refold/refold/projections/engine"
	"github.com/refold/refold/projections/spending"
	"github.com/refold/refold/projections/store/memory"
)

// A fold that emits more than the one before it says what, and what it would have emitted before it was promoted is
// published when somebody wants it, once.
func TestWhatANewFoldWouldHaveToldIsReleasedByItsIDs(t *testing.T) {
	b := newBank(t)
	b.post(6) // before the projection: no news
	stores := memory.New()
	_, stop := b.tell("test", stores)
	b.post(36)
	b.everybody(7)
	stop()
	e, stop := b.runAs("test", stores, teller(t), tellerOf(t, 8))
	defer stop()
	b.total(e)
	op, err := e.Start(t.Context(), spending.Name, "tester", "")
	if err != nil {
		t.Fatal(err)
	}
	until(t, "the replay is verified", func() bool { return b.status(e, op).State == engine.Verified })
	got, err := e.CompareEffects(t.Context(), spending.Name, 1, 2, 4)
	if err != nil {
		t.Fatal(err)
	}
	if got.Same != 36+7 || got.More != 6 || got.Less != 0 || got.Changed != 0 || len(got.Differences) != 4 {
		t.Fatalf("got %+v", got)
	}
	var ids []string
	for _, d := range got.Differences {
		ids = append(ids, d.More.EffectID)
		if d.Less != nil || d.More.CustomerID != "boss" || !strings.Contains(d.More.Text, `"customer_id":"boss"`) {
			t.Errorf("got %+v", d.More)
		}
	}
	if _, err := e.ReleaseEffects(t.Context(), spending.Name, ids, "tester", "too early"); !refused(err) {
		t.Errorf("what the live generation does not emit: got %v, want a refusal", err)
	}
	if err := e.Promote(t.Context(), op, "tester", "the boss wants to know", true); err != nil {
		t.Fatal(err)
	}
	b.releaseOnce(e, ids)
	if told := b.told(); len(told) != 36+7+len(ids) {
		t.Errorf("got %d effects, want %d", len(told), 36+7+len(ids))
	}
	if _, err := e.ReleaseEffects(t.Context(), spending.Name, ids, "tester", ""); !refused(err) {
		t.Errorf("without a reason: got %v, want a refusal", err)
	}
}

// releaseOnce releases effects twice and finds that they are published once.
func (b *bank) releaseOnce(e *engine.Engine, ids []string) {
	b.t.Helper()
	var published []string
	until(b.t, "the live generation is there", func() bool {
		var err error
		if published, err = e.ReleaseEffects(b.t.Context(), spending.Name, ids, "tester", "they were missed"); err != nil && !refused(err) && !errors.Is(err, engine.ErrNotHere) {
			b.t.Fatal(err)
		}
		return err == nil
	})
	slices.Sort(published)
	if want := slices.Sorted(slices.Values(ids)); !slices.Equal(published, want) {
		b.t.Errorf("got %v, want %v", published, want)
	}
	if again, err := e.ReleaseEffects(b.t.Context(), spending.Name, ids, "tester", "once more"); err != nil || len(again) != 0 {
		b.t.Errorf("again: got %v, %v, want nothing", again, err)
	}
	b.once(b.told())
}

func TestOnlyEffectsAreCompared(t *testing.T) {
	b := newBank(t)
	e, stop := b.run(memory.New(), spending.Definition())
	defer stop()
	b.post(1)
	b.total(e)
	if _, err := e.CompareEffects(t.Context(), spending.Name, 1, 1, 1); !errors.Is(err, engine.ErrNoEffects) {
		t.Errorf("got %v, want %v", err, engine.ErrNoEffects)
	}
}
