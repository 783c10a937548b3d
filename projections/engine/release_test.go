package engine

import (
	"context"
	"log/slog"
	"testing"

	"github.com/refold/refold/projections/acts"
	"github.com/refold/refold/projections/store"
	"github.com/refold/refold/schemas/event"
	"github.com/refold/refold/streams/effect"
	"github.com/refold/refold/streams/group"
	"github.com/refold/refold/streams/position"
	"github.com/refold/refold/streams/timeline"
)

// outletStub has one effect partition and takes everything.
type outletStub struct{ bounded bool }

func (*outletStub) Ends(context.Context, ...string) (map[position.Partition]int64, error) {
	return map[position.Partition]int64{{Topic: "e"}: 1000}, nil
}

func (s *outletStub) Release(ctx context.Context, _ []effect.Record, _ effect.Done) (map[position.Partition]int64, error) {
	_, s.bounded = ctx.Deadline()
	return nil, nil
}

func (*outletStub) Close() {}

// A transaction is bounded, because the broker gives it up; what must be read before it may be long.
func TestTheMarksOfALongHistoryAreRead(t *testing.T) {
	out := &outletStub{}
	read := false
	e := newEmitter(emitterConfig{
		projection: "p", source: "s", topics: []string{"e"}, logger: slog.New(slog.DiscardHandler),
		membership: func() group.Membership { return group.Membership{ID: "m"} },
		open:       func(context.Context) (outlet, error) { return out, nil },
		read:       func(context.Context, *timeline.Record) (event.Effect, bool, error) { return event.Effect{}, false, nil },
		scan: func(ctx context.Context, _ string, _ map[int32]timeline.Span, _ func(timeline.Batch) error) error {
			read = true
			if at, bounded := ctx.Deadline(); bounded {
				t.Errorf("reading must end by %s", at)
			}
			return nil
		},
	})
	e.rules([]acts.Reign{{Generation: 1}}, nil)
	m := newEmission(e, voice{1, 0}, fold{sources: []string{"s"}}, store.Checkpoint{})
	m.pending = []outgoing{{topic: "e", key: "k", position: 4}}
	if err := m.release(context.Background(), store.Checkpoint{Next: 5}); err != nil {
		t.Fatal(err)
	}
	if !read || !out.bounded {
		t.Errorf("the marks were read: %v; the transaction was bounded: %v", read, out.bounded)
	}
}
