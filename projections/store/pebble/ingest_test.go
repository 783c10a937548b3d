package pebble

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/refold/refold/projections/store"
)

var ingested = store.Generation{Projection: "p", Number: 1}

// openOn opens the rows of one generation on files in memory.
func openOn(t *testing.T, files vfs.FS, dir string) store.Store {
	t.Helper()
	stores := New(dir, 8<<20, slog.New(slog.DiscardHandler))
	t.Cleanup(stores.Close)
	stores.files = files
	s, err := stores.Open(ingested)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// ingest gives every row a new value and adds some, so that each table covers the rows of the one before.
func ingest(s store.Store, next int64) error {
	return s.Ingest(0, store.Checkpoint{Next: next}, func(w store.Writer) error {
		for i := range 50 * next {
			if err := w.Set(fmt.Appendf(nil, "k%06d", i), fmt.Append(nil, next)); err != nil {
				return err
			}
		}
		return nil
	})
}

// A crash at any moment of an ingestion, of the process or of the machine, leaves rows and checkpoint of the
// same position, and the next ingestion goes on from there.
func TestACrashWhileIngesting(t *testing.T) {
	const last = 20
	files, dir := vfs.NewCrashableMem(), t.TempDir()
	s := openOn(t, files, dir)
	ended := make(chan error, 1)
	go func() {
		for next := int64(1); next <= last; next++ {
			if err := ingest(s, next); err != nil {
				ended <- err
				return
			}
		}
		ended <- nil
	}()
	seen := make(map[int64]bool)
	for done := false; !done; {
		select {
		case err := <-ended:
			if err != nil {
				t.Fatal(err)
			}
			done = true
		default:
		}
		crashed := files.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 50, RNG: rand.New(rand.NewPCG(1, uint64(len(seen))))})
		after := openOn(t, crashed, dir)
		next := consistent(t, after)
		seen[next] = true
		if err := ingest(after, next+1); err != nil {
			t.Fatal(err)
		}
		if got := consistent(t, after); got != next+1 {
			t.Fatalf("ingested %d and found %d", next+1, got)
		}
		if err := after.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if !seen[last] {
		t.Error("what was ingested is lost in a crash")
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// consistent returns the checkpoint, and fails where the rows are not those of it.
func consistent(t *testing.T, s store.Store) int64 {
	t.Helper()
	c, err := s.Checkpoint(0)
	if err != nil {
		t.Fatal(err)
	}
	rows := int64(0)
	err = s.Scan(0, nil, nil, func(key, value []byte) bool {
		if rows++; string(value) != fmt.Sprint(c.Next) {
			t.Fatalf("row %s is %s at checkpoint %d", key, value, c.Next)
		}
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	if rows != 50*c.Next {
		t.Fatalf("got %d rows at checkpoint %d", rows, c.Next)
	}
	return c.Next
}
