package engine

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/refold/refold/projections/projection"
	"github.com/refold/refold/projections/store"
	"github.com/refold/refold/projections/store/memory"
	"github.com/refold/refold/streams/timeline"
)

// A batch that begins beyond what was folded is a hole: the task stands still rather than pass it over.
func TestABatchBeyondTheTaskIsAHole(t *testing.T) {
	f := runTask(t)
	f.give(5, 8)
	if err := f.wait(f.ctx, 8); !errors.Is(err, timeline.ErrHole) {
		t.Errorf("got %v, want %v", err, timeline.ErrHole)
	}
	if saved, _ := f.state(); saved.Next != 0 {
		t.Errorf("it saved up to %d", saved.Next)
	}
}

// KW-14: the positions of one log say nothing of another, even where it has records at them.
func TestKW14ATaskIsBoundToItsLog(t *testing.T) {
	for _, c := range []struct {
		next int64
		log  [16]byte
		want error
	}{{0, [16]byte{2}, nil}, {5, [16]byte{1}, nil}, {5, [16]byte{2}, timeline.ErrHole}} {
		s := memory.NewStore()
		if err := s.Save(0, store.Checkpoint{Next: c.next, Log: [16]byte{1}}, func(store.Writer) error { return nil }); err != nil {
			t.Fatal(err)
		}
		tk, err := newTask(taskConfig{store: s, folder: func(projection.Base) projection.Folder { return &counter{} }})
		if err != nil {
			t.Fatal(err)
		}
		if err := tk.bind(c.log); !errors.Is(err, c.want) {
			t.Errorf("at %d, log %x: got %v, want %v", c.next, c.log, err, c.want)
		}
	}
}

// PJ-7: a batch read before a partition was revoked and assigned again does not reach its new task.
func TestABatchOfBeforeIsNotHandedOver(t *testing.T) {
	tk, err := newTask(taskConfig{store: memory.NewStore(), folder: func(projection.Base) projection.Folder { return &counter{} }})
	if err != nil {
		t.Fatal(err)
	}
	w := &worker{task: tk, reads: make([]intake, 1)}
	f := &Follower{cfg: FollowerConfig{Definition: &projection.Definition{Sources: []string{""}}}, tasks: map[int32]*worker{0: w}}
	for _, read := range []bool{false, true} {
		w.reads[0].on = read
		f.hand(context.Background(), timeline.Batch{})
		if got := len(w.in) == 1; got != read {
			t.Errorf("handed over: %v, want %v", got, read)
		}
	}
}

// A task that has folded nothing yet is behind since it began, not since 1970.
func TestATaskIsNotBehindForLongerThanItIs(t *testing.T) {
	tk, err := newTask(taskConfig{store: memory.NewStore(), folder: func(projection.Base) projection.Folder { return &counter{} }})
	if err != nil {
		t.Fatal(err)
	}
	tk.end.Store(10)
	if got := tk.behind(tk.born.Add(time.Minute)).Round(time.Second); got != time.Minute {
		t.Errorf("got %s, want %s", got, time.Minute)
	}
}
