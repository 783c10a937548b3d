package engine_test

import (
	"maps"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/refold/refold/projections/engine"
	"github.com/refold/refold/projections/projection"
	"github.com/refold/refold/projections/snapshot"
	"github.com/refold/refold/projections/spending"
	"github.com/refold/refold/projections/store"
	"github.com/refold/refold/projections/store/memory"
	"github.com/refold/refold/schemas/event"
	"github.com/refold/refold/streams/position"
)

// token is the position token of a vector.
func token(at []event.TopicPosition) string {
	v := make(position.Vector)
	for _, p := range at {
		v[position.Partition{Topic: p.Topic, Partition: p.Partition}] = p.Offset
	}
	return position.Token{Positions: v}.Encode()
}

// A replay begins with the newest snapshot at or before where it is wanted to, gives the rows of a fold from the
// beginning, and reads nothing before the snapshot.
func TestReplayBeginsWithASnapshot(t *testing.T) {
	b := newBank(t)
	b.snapshots = t.TempDir()
	stores := memory.New()
	e, stop := b.run(stores, spending.Definition())
	b.post(100)
	b.total(e)
	first, err := e.CreateSnapshot(t.Context(), spending.Name, "tester", "to see")
	b.must(err)
	b.post(100)
	b.total(e)
	second, err := e.CreateSnapshot(t.Context(), spending.Name, "tester", "")
	b.must(err)
	b.post(100)
	b.total(e)
	if first.Rows != 100 || first.Principal != "tester" || first.Reason != "to see" || len(first.Positions) != partitions {
		t.Errorf("got %+v", first)
	}
	for from, want := range map[string]string{
		"snapshot": second.Snapshot, "snapshot:" + first.Snapshot: first.Snapshot, "-1ms": second.Snapshot, "1000000": second.Snapshot,
		"1": "", "2020-01-01T00:00:00Z": "", "beginning": "", token(first.Positions): first.Snapshot,
	} {
		if p := b.plan(e, engine.Wish{Projection: spending.Name, From: from}); p.Snapshot != want {
			t.Errorf("from %s: got snapshot %q, want %q", from, p.Snapshot, want)
		}
	}
	p := b.plan(e, engine.Wish{Projection: spending.Name, From: "snapshot"})
	if p.Events.Value != 100 || p.Stretches[0].Begin != second.Positions[0].Offset {
		t.Errorf("got %+v, want the last 100 events", p)
	}
	// What lies before the snapshot is gone, and is not missed.
	for _, at := range second.Positions {
		b.broker.Trim(at.Topic, at.Partition, at.Offset)
	}
	op, err := e.Begin(t.Context(), engine.Order{Wish: engine.Wish{Projection: spending.Name, From: "snapshot"}, Plan: p.Hash})
	b.must(err)
	until(t, "it is verified", func() bool { s := b.status(e, op); return s.Verified != nil && s.Verified.Differences == 0 })
	b.must(e.Promote(t.Context(), op, "tester", "", false))
	c, err := e.Certificate(t.Context(), op)
	b.must(err)
	if c.Snapshot != second.Snapshot || c.Plan != p.Hash {
		t.Errorf("got certificate %+v", c)
	}
	for i, in := range c.Inputs {
		if in.From != second.Positions[i].Offset || in.Head == "" {
			t.Errorf("got input %+v, want from %d", in, second.Positions[i].Offset)
		}
	}
	stop()
	if got, want := b.rows(stores, 2), b.rows(stores, 1); !maps.Equal(got, want) {
		t.Errorf("got rows %q, want %q", got, want)
	}
}

// exchange writes another snapshot in the place of one: the same but for its rows, of which there are none.
func (b *bank) exchange(file string) {
	b.t.Helper()
	s, err := snapshot.Open(file)
	b.must(err)
	b.must(s.Close())
	_, err = snapshot.Write(file, s.Header, memory.NewStore())
	b.must(err)
}

// A snapshot that is not what was made is not used, nor one of another fold: the rows are folded from the beginning.
func TestSnapshotsThatAreNotUsed(t *testing.T) {
	b := newBank(t)
	b.snapshots = t.TempDir()
	stores := memory.New()
	e, stop := b.run(stores, spending.Definition())
	b.post(60)
	b.total(e)
	made, err := e.CreateSnapshot(t.Context(), spending.Name, "tester", "")
	b.must(err)
	file := filepath.Join(b.snapshots, spending.Name, made.Snapshot+".parquet")
	b.exchange(file)
	op, err := e.Begin(t.Context(), engine.Order{Wish: engine.Wish{Projection: spending.Name, From: "snapshot"}})
	b.must(err)
	until(t, "it is verified", func() bool { s := b.status(e, op); return s.Verified != nil && s.Verified.Differences == 0 })
	stop()
	e, stop = b.run(stores, spending.Definition(), changed(t, spending.Definition().Version+1))
	defer stop()
	if p := b.plan(e, engine.Wish{Projection: spending.Name, From: "snapshot"}); p.Snapshot != "" {
		t.Errorf("another fold begins with %s", p.Snapshot)
	}
	b.must(os.Remove(file))
	if all, err := e.Snapshots(spending.Name); err != nil || len(all) != 1 || all[0].Here {
		t.Errorf("got %+v, %v, want one that is not here", all, err)
	}
}

// After its retention the generation that was live before is cancelled by the platform, and its rows are gone.
func TestRetentionEnds(t *testing.T) {
	b := newBank(t)
	b.retention = time.Millisecond
	stores := memory.New()
	e, stop := b.run(stores, []*projection.Definition{spending.Definition()}...)
	defer stop()
	b.post(30)
	b.total(e)
	op := b.replay(e)
	old := engine.Operation(spending.Name, 1)
	until(t, "the old generation is cancelled", func() bool { return b.status(e, old).State == engine.Cancelled })
	until(t, "its rows are gone", func() bool {
		s, err := stores.Open(store.Generation{Projection: spending.Name, Number: 1})
		b.must(err)
		c, err := s.Checkpoint(0)
		return err == nil && c.Next == 0
	})
	if err := e.Rollback(t.Context(), op, "tester", ""); !refused(err) {
		t.Errorf("got %v, want a refusal", err)
	}
}
