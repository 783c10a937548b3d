package engine

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/refold/refold/projections/acts"
	"github.com/refold/refold/projections/projection"
	"github.com/refold/refold/projections/store"
	"github.com/refold/refold/projections/store/memory"
	"github.com/refold/refold/streams/timeline"
)

// counter is a folder of one row that counts records.
type counter struct {
	n     int
	dirty bool
	skip  func(string, *timeline.Record, int64) bool
}

var errPoison = errors.New("poison")

func (c *counter) Fold(rec *timeline.Record) error { return c.FoldAt(rec, rec.Offset) }

func (c *counter) FoldAt(rec *timeline.Record, _ int64) error {
	if string(rec.Value) == "poison" {
		return errPoison
	}
	if c.skip != nil && c.skip("n", rec, rec.Offset) {
		return nil
	}
	c.n++
	c.dirty = true
	return nil
}

func (c *counter) Changed(fn func(key, value []byte) error) error {
	c.dirty = false
	return fn([]byte("n"), fmt.Append(nil, c.n))
}

func (c *counter) Dirty() int {
	if c.dirty {
		return 1
	}
	return 0
}

func (c *counter) Len() int                      { return 1 }
func (c *counter) Shrink()                       {}
func (c *counter) Stored([]byte) ([]byte, error) { return nil, nil }
func (c *counter) Forget(int64)                  {}

func (c *counter) Emit(func(projection.Effect) error)                 {}
func (c *counter) Skip(fn func(string, *timeline.Record, int64) bool) { c.skip = fn }

// fixture is a running task.
type fixture struct {
	*testing.T
	*task
	ctx context.Context
}

func runTask(t *testing.T) *fixture {
	t.Helper()
	return runTaskOf(t, taskConfig{store: memory.NewStore()})
}

func runTaskOf(t *testing.T, cfg taskConfig) *fixture {
	t.Helper()
	cfg.maxRows = 10
	cfg.folder = func(projection.Base) projection.Folder { return &counter{} }
	cfg.learn = func(context.Context, *timeline.Record) error { return nil }
	cfg.failed = func(error) {}
	tk, err := newTask(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	ended := make(chan struct{})
	go func() { defer close(ended); tk.run(ctx, [16]byte{1}) }()
	t.Cleanup(func() { cancel(); <-ended })
	return &fixture{t, tk, ctx}
}

// give hands records at offsets to the task; the batch ends behind a marker.
func (f *fixture) give(from, to int64, values ...string) {
	f.Helper()
	b := timeline.Batch{From: from, Next: to + 1, End: 1_000_000}
	for o := from; o < to; o++ {
		rec := &timeline.Record{Offset: o}
		if i := int(o - from); i < len(values) {
			rec.Value = []byte(values[i])
		}
		b.Records = append(b.Records, rec)
	}
	select {
	case f.in <- b:
	case <-f.ctx.Done():
		f.Fatal("the task takes nothing")
	}
}

// at asks for a cut, and returns when the task has heard of it.
func (f *fixture) at(offset int64) <-chan cutResult {
	f.Helper()
	reply := make(chan cutResult, 1)
	select {
	case f.cuts <- cut{at: offset, reply: reply}:
	case <-f.ctx.Done():
		f.Fatal("the task does not listen")
	}
	return reply
}

// count returns what a snapshot holds.
func (f *fixture) count(s store.Snapshot) string {
	f.Helper()
	c, err := s.Checkpoint(0)
	if err != nil {
		f.Fatal(err)
	}
	v, err := s.Load(0, []byte("n"))
	if err != nil {
		f.Fatal(err)
	}
	return fmt.Sprintf("%s at %d", v, c.Next)
}

func TestACutIsExactlyAtItsPosition(t *testing.T) {
	for _, c := range []struct {
		at   int64
		want string
	}{{0, " at 0"}, {3, "3 at 3"}, {5, "5 at 5"}, {6, "5 at 6"}, {8, "7 at 8"}} {
		f := runTask(t)
		result := f.at(c.at)
		f.give(0, 5)  // and a marker at 5
		f.give(6, 10) // and a marker at 10
		r := <-result
		if r.err != nil {
			t.Fatalf("cut at %d: %v", c.at, r.err)
		}
		if got := f.count(r.snapshot); got != c.want || r.at != c.at {
			t.Errorf("cut at %d: got %s, want %s", c.at, got, c.want)
		}
		// The task goes on behind the cut and loses nothing.
		r = <-f.at(11)
		if got := f.count(r.snapshot); got != "9 at 11" {
			t.Errorf("after the cut at %d: got %s", c.at, got)
		}
	}
}

func TestACutBehindTheTaskIsRefused(t *testing.T) {
	f := runTask(t)
	f.give(0, 5)
	if err := f.wait(f.ctx, 0); err != nil {
		t.Fatal(err)
	}
	now := <-f.at(-1)
	for now.at < 6 { // the batch may not have been taken yet
		now = <-f.at(-1)
	}
	if r := <-f.at(3); !errors.Is(r.err, errPassed) || r.at != 6 {
		t.Errorf("got %v at %d, want %v at 6", r.err, r.at, errPassed)
	}
}

func TestAPoisonedTaskStandsStill(t *testing.T) {
	f := runTask(t)
	f.give(0, 3, "", "poison", "")
	if err := f.wait(f.ctx, 3); !errors.Is(err, errPoison) {
		t.Errorf("got %v, want %v", err, errPoison)
	}
	f.give(4, 5) // is taken and not folded
	if r := <-f.at(-1); !errors.Is(r.err, errPoison) {
		t.Errorf("a cut: got %v, want %v", r.err, errPoison)
	}
	if saved, _ := f.state(); saved.Next != 0 {
		t.Errorf("it saved up to %d", saved.Next)
	}
}

func TestFarBehindItSavesByTimeAlone(t *testing.T) {
	f := runTask(t) // the end is a million records away
	began := time.Now()
	f.give(0, 5)
	if err := f.wait(f.ctx, 6); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took < maxUnsaved/2 {
		t.Errorf("it saved after %s", took)
	}
}

// A task leaves out what was discarded, whoever has followed the act: it waits until it is known here.
func TestWhatWasDiscardedIsLeftOutAfterARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := taskConfig{store: memory.NewStore()}
		c := store.Checkpoint{Next: 5, Log: [16]byte{1}, More: store.More{Acts: 1}}
		if err := cfg.store.Save(0, c, func(w store.Writer) error { return w.Set([]byte("other"), []byte("1")) }); err != nil {
			t.Fatal(err)
		}
		var known atomic.Pointer[[]acts.RowAct]
		known.Store(new([]acts.RowAct))
		changed := make(chan struct{})
		cfg.acts = func() ([]acts.RowAct, <-chan struct{}) { return *known.Load(), changed }
		f := runTaskOf(t, cfg)
		f.give(5, 12)
		synctest.Wait()
		if got, _ := f.state(); got.Next != 5 {
			t.Errorf("it has folded up to %d before it knows what was discarded", got.Next)
		}
		known.Store(&[]acts.RowAct{{Key: "n", Position: 9, Discarded: true}})
		close(changed)
		r := <-f.at(13)
		if r.err != nil {
			t.Fatal(r.err)
		}
		defer r.snapshot.Close()
		if got, want := f.count(r.snapshot), "6 at 13"; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	})
}
