package engine_test

import (
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/refold/refold/projections/engine"
	"github.com/refold/refold/projections/projection"
	"github.com/refold/refold/projections/spending"
	"github.com/refold/refold/projections/store/memory"
	"github.com/refold/refold/projections/trail"
	"github.com/refold/refold/schemas/event"
	"github.com/refold/refold/streams/topic"
)

// impure is spending with a fold that throws dice.
func impure(t *testing.T) *projection.Definition {
	t.Helper()
	type posted struct {
		CustomerID string `avro:"customer_id"`
	}
	d, err := projection.Define(spending.Name, spending.Definition().Version+1, projection.On(topic.Transactions, event.NameEntryPosted,
		func(e *posted, k *projection.Keys) { k.Add(e.CustomerID, "all") },
		func(_ projection.Key, r *spending.Row, _ *posted, _ projection.Meta) error {
			r.Cells = []spending.Cell{{Currency: "EUR", Entries: rand.Int64()}}
			return nil
		}))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// A fold that is not deterministic is named, with and without a trail, and not made live.
func TestImpureFoldIsNamed(t *testing.T) {
	for name, more := range map[string][]*projection.Definition{"by trail": {trail.Definition()}, "without trail": nil} {
		t.Run(name, func(t *testing.T) {
			b := newBank(t)
			e, stop := b.run(memory.New(), append(more, spending.Definition(), impure(t))...)
			defer stop()
			b.post(50)
			b.total(e)
			op, err := e.Start(t.Context(), spending.Name, "tester", "")
			b.must(err)
			until(t, "it is named", func() bool { return errors.Is(b.status(e, op).Incomparable, engine.ErrImpure) })
			if s := b.status(e, op); s.State != engine.Ready || s.Verified != nil {
				t.Errorf("it is %v, verified %v", s.State, s.Verified)
			}
			if err := e.Promote(t.Context(), op, "tester", "", false); !refused(err) {
				t.Errorf("got %v, want a refusal", err)
			}
			if _, _, err := e.Differences(t.Context(), op); !errors.Is(err, engine.ErrImpure) {
				t.Errorf("got %v, want ErrImpure", err)
			}
		})
	}
}
