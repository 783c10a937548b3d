package pebble_test

import (
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/refold/refold/projections/store"
	"github.com/refold/refold/projections/store/pebble"
	"github.com/refold/refold/projections/store/suite"
)

func TestSuite(t *testing.T) {
	root := t.TempDir()
	suite.Run(t, func(t *testing.T) store.Stores { return open(t, filepath.Join(root, filepath.Base(t.Name()))) })
}

func open(t *testing.T, dir string) *pebble.Stores {
	t.Helper()
	s := pebble.New(dir, 8<<20, slog.New(slog.NewTextHandler(io.Discard, nil)))
	t.Cleanup(s.Close)
	return s
}

// A copy of the folder while the store is open is what a crash of the process leaves. What it holds must be
// the rows of its checkpoint.
func TestCrashLeavesRowsOfTheCheckpoint(t *testing.T) {
	dir := t.TempDir()
	s, err := open(t, dir).Open(generation())
	if err != nil {
		t.Fatal(err)
	}
	// Enough that Pebble writes full blocks of its log by itself, and less than a memtable, so that no file is
	// removed while the folder is copied.
	value := strings.Repeat("v", 1000)
	for next := int64(1); next <= 100; next++ {
		err := s.Save(0, store.Checkpoint{Next: next}, func(w store.Writer) error {
			return w.Set([]byte{byte(next)}, []byte(value))
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	deadline := time.After(time.Minute)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for crash(t, dir) == 0 {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("nothing that was saved is ever on disk")
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if next := crash(t, dir); next != 100 {
		t.Errorf("after the store was closed: got a checkpoint at %d, want 100", next)
	}
}

func generation() store.Generation { return store.Generation{Projection: "p", Number: 1} }

// crash returns the checkpoint that a copy of the folder holds, and compares its rows with it.
func crash(t *testing.T, dir string) (next int64) {
	t.Helper()
	copied := t.TempDir()
	if err := os.CopyFS(copied, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	s, err := open(t, copied).Open(generation())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	c, err := s.Checkpoint(0)
	if err != nil {
		t.Fatal(err)
	}
	rows := int64(0)
	if err := s.Scan(0, nil, nil, func(_, _ []byte) bool { rows++; return true }); err != nil {
		t.Fatal(err)
	}
	if rows != c.Next {
		t.Errorf("got %d rows at checkpoint %d", rows, c.Next)
	}
	return c.Next
}
