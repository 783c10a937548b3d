package cassandra

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/refold/refold/projections/store"
)

// The log of these tests has one event at each offset, which touches some of the rows. A row is its position and some
// text. Half of the rows are of one partition key, and so in one bucket, in more than one page.
const modelled = 3000

func modelKey(i int) []byte {
	if i%2 == 0 {
		return fmt.Appendf(nil, "one\x00%06d", i)
	}
	return fmt.Appendf(nil, "c%06d\x00", i)
}

// touched returns the rows that the event at an offset touches.
func touched(offset int64) (keys []int) {
	r := rand.New(rand.NewPCG(uint64(offset), 1))
	for range 1 + r.IntN(120) {
		keys = append(keys, r.IntN(modelled))
	}
	return keys
}

func modelValue(i int, offset int64) []byte {
	return fmt.Appendf(at(offset), "row %d", i)
}

// foldTo returns the rows as they are where everything below an offset is folded.
func foldTo(next int64) map[string][]byte {
	rows := make(map[string][]byte)
	for offset := range next {
		for _, i := range touched(offset) {
			rows[string(modelKey(i))] = modelValue(i, offset)
		}
	}
	return rows
}

// saveTo saves the rows that changed between two offsets.
func saveTo(s store.Store, from, next int64) error {
	rows := make(map[string][]byte)
	for offset := from; offset < next; offset++ {
		for _, i := range touched(offset) {
			rows[string(modelKey(i))] = modelValue(i, offset)
		}
	}
	return s.Save(0, store.Checkpoint{Next: next}, func(w store.Writer) error {
		for k, v := range rows {
			if err := w.Set([]byte(k), v); err != nil {
				return err
			}
		}
		return nil
	})
}

// read returns all rows of a task, and what its reader says of how they come.
func read(r store.Reader) (map[string][]byte, error) {
	rows := make(map[string][]byte)
	var last []byte
	var problem error
	err := r.Scan(0, nil, nil, func(k, v []byte) bool {
		if last != nil && bytes.Compare(last, k) >= 0 {
			problem = fmt.Errorf("%q comes after %q", k, last)
		}
		last = bytes.Clone(k)
		rows[string(k)] = bytes.Clone(v)
		return problem == nil
	})
	if problem != nil {
		err = problem
	}
	return rows, err
}

// differ says how rows are not those of a fold, "" where they are.
func differ(got, want map[string][]byte) string {
	for k, v := range want {
		if !bytes.Equal(got[k], v) {
			return fmt.Sprintf("row %q: got %q, want %q", k, got[k], v)
		}
	}
	if len(got) != len(want) {
		return fmt.Sprintf("got %d rows, want %d", len(got), len(want))
	}
	return ""
}

// Snapshots that are taken while a task saves, before, after and in the midst of it, each show exactly the rows of
// their checkpoint, whenever they are read, by scanning and by loading.
func TestSnapshotsShowTheRowsOfTheirCheckpoint(t *testing.T) {
	_, s := process(t, config(t, positionOf))
	must(t, saveTo(s, 0, 20))
	const last = 120
	done := make(chan error, 1)
	go func() {
		var err error
		for next := int64(20); next < last && err == nil; next += 5 {
			err = saveTo(s, next, next+5)
		}
		done <- err
	}()
	var all sync.WaitGroup
	taken := make(map[int64]bool)
	for running := true; running; {
		var snapshots []store.Snapshot
		for range 4 {
			snapshot, err := s.Snapshot()
			must(t, err)
			c, err := snapshot.Checkpoint(0)
			must(t, err)
			taken[c.Next] = true
			snapshots = append(snapshots, snapshot)
			all.Go(func() { check(t, snapshot, c.Next) })
		}
		all.Wait()
		for _, snapshot := range snapshots {
			must(t, snapshot.Close())
		}
		select {
		case err := <-done:
			must(t, err)
			running = false
		default:
		}
	}
	if len(taken) < 3 {
		t.Errorf("snapshots were taken at %d checkpoints only", len(taken))
	}
	got, err := read(s)
	must(t, err)
	if d := differ(got, foldTo(last)); d != "" {
		t.Error(d)
	}
	if open := s.(*rows).open; len(open) > 0 {
		t.Error("snapshots that are closed are kept")
	}
}

// Rows that came after a snapshot fill whole pages of what it reads.
func TestSnapshotReadsOnPastNewRows(t *testing.T) {
	_, s := process(t, config(t, positionOf))
	numbered := func(position int64, from, to, step int) {
		t.Helper()
		must(t, s.Save(0, store.Checkpoint{Next: position + 1}, func(w store.Writer) error {
			for i := from; i < to; i += step {
				if err := w.Set(fmt.Appendf(nil, "one\x00%06d", i), at(position)); err != nil {
					return err
				}
			}
			return nil
		}))
	}
	const n = 4 * pageRows
	numbered(1, 0, n, 3)
	snapshot, err := s.Snapshot()
	must(t, err)
	defer snapshot.Close()
	numbered(2, 1, n/2, 1)
	for name, part := range map[string]span{"all": {}, "one partition key": {[]byte("one\x00"), []byte("one\x01")}} {
		i := 0
		must(t, snapshot.Scan(0, part.from, part.to, func(k, v []byte) bool {
			if want := fmt.Sprintf("one\x00%06d", i); string(k) != want || !bytes.Equal(v, at(1)) {
				t.Fatalf("%s: got row %q at %d, want %q at 1", name, k, positionOf(v), want)
			}
			i += 3
			return true
		}))
		if i < n {
			t.Errorf("%s: it ends before row %d of %d", name, i, n)
		}
	}
}

// check holds a snapshot against the fold up to its checkpoint.
func check(t *testing.T, s store.Snapshot, next int64) {
	want := foldTo(next)
	got, err := read(s)
	if err != nil {
		t.Error(err)
		return
	}
	if d := differ(got, want); d != "" {
		t.Errorf("a snapshot at %d: %s", next, d)
	}
	for i := range 20 {
		k := modelKey(i * 7)
		v, err := s.Load(0, k)
		if err != nil {
			t.Error(err)
		} else if !bytes.Equal(v, want[string(k)]) {
			t.Errorf("a snapshot at %d: row %q: got %q, want %q", next, k, v, want[string(k)])
		}
	}
	if c, err := s.Checkpoint(0); err != nil || c.Next != next {
		t.Errorf("a snapshot at %d is at %d, %v", next, c.Next, err)
	}
}

// Two processes save one task, each from where it happens to be, one of them long after it has lost the task. The
// checkpoint that anybody reads is never ahead of the rows, and what remains is what one of them alone would make.
func TestTwoWriters(t *testing.T) {
	cfg := config(t, positionOf)
	_, reader := process(t, cfg)
	const last = 120
	var all sync.WaitGroup
	for w := range 2 {
		_, s := process(t, cfg)
		all.Go(func() {
			random := rand.New(rand.NewPCG(uint64(w), 7))
			for next := int64(0); next < last; {
				step := min(1+random.Int64N(15), last-next)
				if err := saveTo(s, next, next+step); err != nil {
					t.Error(err)
					return
				}
				next += step
			}
		})
	}
	ended := make(chan struct{})
	go func() {
		all.Wait()
		close(ended)
	}()
	for running := true; running; {
		select {
		case <-ended:
			running = false
		default:
		}
		c, err := reader.Checkpoint(0)
		must(t, err)
		got, err := read(reader)
		must(t, err)
		for k, v := range foldTo(c.Next) {
			if len(got[k]) < 8 || positionOf(got[k]) < positionOf(v) {
				t.Fatalf("the checkpoint is at %d, and row %q, which was at %d by then, is %q", c.Next, k, positionOf(v), got[k])
			}
		}
	}
	got, err := read(reader)
	must(t, err)
	if d := differ(got, foldTo(last)); d != "" {
		t.Error(d)
	}
}
