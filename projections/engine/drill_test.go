package engine_test

import (
	"errors"
	"testing"
	"time"

	"github.com/refold/refold/projections/engine"
	"github.com/refold/refold/projections/projection"
	"github.com/refold/refold/projections/spending"
	"github.com/refold/refold/projections/store/memory"
	"github.com/refold/refold/projections/trail"
)

// A drill folds keys anew by their trail, finds the rows that are not what their events fold into, and says so
// with the live generation. It is done by itself when its time has come.
func TestDrillFindsDrift(t *testing.T) {
	b := newBank(t)
	catalog := []*projection.Definition{spending.Definition(), trail.Definition()}
	stores := memory.New()
	e, stop := b.run(stores, catalog...)
	b.post(100)
	b.total(e)
	d, err := e.Drill(t.Context(), spending.Name)
	if err != nil || d.Alarm() != nil || d.Keys != 10 {
		t.Errorf("got %+v, %v, want ten keys and nothing wrong", d, err)
	}
	stop()
	b.spoil(stores, "c4")
	b.drillEvery = 10 * time.Millisecond
	e, stop = b.run(stores, catalog...)
	defer stop()
	b.total(e)
	live := engine.Operation(spending.Name, 1)
	until(t, "the drift is found", func() bool {
		d := b.status(e, live).Drill
		return d != nil && errors.Is(d.Alarm(), engine.ErrDrift)
	})
	for _, k := range b.status(e, live).Drill.Drifted {
		if k.Partition != "c4" {
			t.Errorf("row %q has drifted, too", k)
		}
	}
	if _, err := e.Drill(t.Context(), "nothing"); !errors.Is(err, engine.ErrUnknown) {
		t.Errorf("got %v, want ErrUnknown", err)
	}
}
