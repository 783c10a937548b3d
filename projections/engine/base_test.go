package engine

import (
	"encoding/binary"
	"testing"

	"github.com/refold/refold/projections/projection"
	"github.com/refold/refold/projections/store"
	"github.com/refold/refold/projections/store/memory"
)

// counted counts what is read of a store.
type counted struct {
	store.Store
	loads int
}

func (c *counted) Load(task int32, key []byte) ([]byte, error) {
	c.loads++
	return c.Store.Load(task, key)
}

func key(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

// A task that began empty finds every row that it wrote, and looks for few others.
func TestBaseReadsWhatWasWritten(t *testing.T) {
	const rows = 50_000
	c := &counted{Store: memory.NewStore()}
	b := &base{store: c}
	b.written.Store(newFilter())
	err := c.Save(0, store.Checkpoint{Next: 1}, func(w store.Writer) error {
		for n := range uint64(rows) {
			b.wrote(key(n))
			if err := w.Set(key(n), []byte{1}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if v, err := b.Load(key(1)); v != nil || err != nil || c.loads > 0 {
		t.Errorf("before rows are forgotten: got %v, %v, %d reads, want none", v, err, c.loads)
	}
	b.forgetful = true
	for n := range uint64(rows) {
		if v, err := b.Load(key(n)); len(v) != 1 || err != nil {
			t.Fatalf("row %d: got %v, %v, want it", n, v, err)
		}
	}
	c.loads = 0
	for n := range uint64(rows) {
		if v, err := b.Load(key(rows + n)); v != nil || err != nil {
			t.Fatalf("row %d: got %v, %v, want none", rows+n, v, err)
		}
	}
	if c.loads > rows/100 {
		t.Errorf("rows that were never written: got %d reads, want at most %d", c.loads, rows/100)
	}
}

// Others read what a task has saved, and look for little that it has not; where it began with rows, or is not here, for
// all.
func TestSavedRowsOfATask(t *testing.T) {
	c := &counted{Store: memory.NewStore()}
	f := &Follower{tasks: map[int32]*worker{}}
	f.cfg.Store, f.cfg.Definition = c, &projection.Definition{}
	rows := f.Base(0)
	load := func(n uint64, want int, reads int) {
		t.Helper()
		c.loads = 0
		if v, err := rows.Load(key(n)); len(v) != want || err != nil || c.loads != reads {
			t.Errorf("row %d: got %v, %v, %d reads, want %d bytes by %d", n, v, err, c.loads, want, reads)
		}
	}
	load(2, 0, 1) // the task is not here
	b := &base{store: c}
	f.tasks[0] = &worker{task: &task{base: b}}
	load(2, 0, 1) // it began with rows
	b.written.Store(newFilter())
	b.wrote(key(1))
	if err := c.Save(0, store.Checkpoint{Next: 1}, func(w store.Writer) error { return w.Set(key(1), []byte{1}) }); err != nil {
		t.Fatal(err)
	}
	load(1, 1, 1)
	load(2, 0, 0)
}
