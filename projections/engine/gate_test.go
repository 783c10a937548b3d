package engine

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/refold/refold/projections/store"
	"github.com/refold/refold/projections/trail"
)

// door is a gate that is closed until it is opened.
type door struct {
	open   chan struct{}
	refuse atomic.Int64 // how often it let nothing through
}

// Wait implements Gate.
func (d *door) Wait(ctx context.Context, _ int) error {
	select {
	case <-d.open:
		return nil
	case <-ctx.Done():
		d.refuse.Add(1)
		return ctx.Err()
	}
}

// A generation that is paused is not built either: its tasks leave the pass, and fold when they may.
func TestAClosedGateHoldsWhatIsBuilt(t *testing.T) {
	s := newSite(t, 500)
	followed, want, stop := s.follow(trail.Definition(), 1, nil)
	defer stop()
	s.reach(followed)
	gate := &door{open: make(chan struct{})}
	rows, err := s.stores.Open(store.Generation{Projection: "trail", Number: 2})
	if err != nil {
		t.Fatal(err)
	}
	f, err := NewFollower(FollowerConfig{
		Cluster: s.broker.Cluster, Codec: s.codec, Definition: trail.Definition(), Store: rows, Logger: quiet, Gate: gate, Builder: s.builder,
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Assign([]int32{0, 1}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- f.Run(ctx) }()
	defer func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		f.Close()
		if err := rows.Close(); err != nil {
			t.Error(err)
		}
	}()
	s.until("both tasks left the pass", func() bool {
		return gate.refuse.Load() >= 2 && len(s.builder.slots) == cap(s.builder.slots)
	})
	for _, p := range f.Progress() {
		if p.Next != 0 {
			t.Errorf("partition %d is at %d behind a closed gate", p.Partition, p.Next)
		}
	}
	close(gate.open)
	s.reach(f)
	if got, want := s.all(rows), s.all(want); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}
