package snapshot_test

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/refold/refold/projections/snapshot"
	"github.com/refold/refold/projections/store"
	"github.com/refold/refold/projections/store/memory"
)

// filled returns a store of two partitions, the second of which has no rows, and its header.
func filled(t *testing.T, n int) (*memory.Store, snapshot.Header) {
	t.Helper()
	s := memory.NewStore()
	at := store.Checkpoint{Next: 77, EventTime: time.Date(2024, 1, 2, 3, 4, 5, 6000, time.UTC), Log: [16]byte{1, 255},
		More: store.More{Effects: []store.End{{Topic: "e", Partition: 1, Offset: 9}}}}
	err := s.Save(1, at, func(w store.Writer) error {
		for i := range n {
			if err := w.Set([]byte(fmt.Sprintf("key\x00%07d", i)), []byte{byte(i), 0, 255}); err != nil {
				return err
			}
		}
		return w.Set([]byte("empty"), nil)
	})
	if err != nil {
		t.Fatal(err)
	}
	return s, snapshot.Header{
		Projection: "p", Version: 3, Hash: "h", Topic: "t",
		Tasks: []snapshot.Task{snapshot.TaskOf(0, store.Checkpoint{Next: 5}), snapshot.TaskOf(1, at)},
	}
}

func rowsOf(t *testing.T, scan func(fn func(k, v []byte) bool) error) map[string]string {
	t.Helper()
	out, last := make(map[string]string), ""
	err := scan(func(k, v []byte) bool {
		if string(k) <= last && len(out) > 0 {
			t.Errorf("row %q comes after %q", k, last)
		}
		last = string(k)
		out[last] = string(v)
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// What is read is what was written, also where a partition has more rows than a group, or none.
func TestRowsComeBack(t *testing.T) {
	s, h := filled(t, 100_100)
	path := filepath.Join(t.TempDir(), "new", "p.parquet")
	n, err := snapshot.Write(path, h, s)
	if err != nil || n != 100_101 {
		t.Fatalf("got %d rows, %v", n, err)
	}
	got, err := snapshot.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer got.Close()
	if got.Projection != "p" || got.Version != 3 || got.Hash != "h" || got.Topic != "t" || len(got.Tasks) != 2 {
		t.Errorf("got %+v", got.Header)
	}
	for _, task := range got.Tasks {
		want, _ := s.Checkpoint(task.Partition)
		if task.Partition == 0 {
			want = store.Checkpoint{Next: 5}
		}
		if got := task.Checkpoint(); got.Next != want.Next || !got.EventTime.Equal(want.EventTime) || got.Log != want.Log || !slices.Equal(got.Effects, want.Effects) {
			t.Errorf("got %+v, want %+v", task.Checkpoint(), want)
		}
		rows := rowsOf(t, func(fn func(k, v []byte) bool) error { return got.Scan(task.Partition, fn) })
		wanted := rowsOf(t, func(fn func(k, v []byte) bool) error { return s.Scan(task.Partition, nil, nil, fn) })
		if !maps.Equal(rows, wanted) {
			t.Errorf("partition %d: got %d rows, want %d", task.Partition, len(rows), len(wanted))
		}
	}
	if _, err := os.Stat(path + ".new"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the unfinished file is there still: %v", err)
	}
}

func TestWhatIsNoSnapshot(t *testing.T) {
	s, h := filled(t, 10)
	path := filepath.Join(t.TempDir(), "p.parquet")
	if _, err := snapshot.Write(path, h, s); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string][]byte{"empty": nil, "cut": whole[:len(whole)-1], "text": []byte("PAR1 and nothing more PAR1")} {
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := snapshot.Open(path); !errors.Is(err, snapshot.ErrSnapshot) {
			t.Errorf("%s: got %v, want ErrSnapshot", name, err)
		}
	}
	if _, err := snapshot.Open(path + ".none"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("none: got %v", err)
	}
}
