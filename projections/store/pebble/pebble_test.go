package pebble_test

import (
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

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
	dir, copied := t.TempDir(), t.TempDir()
	g := store.Generation{Projection: "p", Number: 1}
	s, err := open(t, dir).Open(g)
	if err != nil {
		t.Fatal(err)
	}
	value := strings.Repeat("v", 1000)
	for next := int64(1); next <= 200; next++ {
		err := s.Save(0, store.Checkpoint{Next: next}, func(w store.Writer) error {
			return w.Set([]byte{byte(next)}, []byte(value))
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := os.CopyFS(copied, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	after, err := open(t, copied).Open(g)
	if err != nil {
		t.Fatal(err)
	}
	defer after.Close()
	c, err := after.Checkpoint(0)
	if err != nil {
		t.Fatal(err)
	}
	rows := int64(0)
	if err := after.Scan(0, nil, nil, func(_, _ []byte) bool { rows++; return true }); err != nil {
		t.Fatal(err)
	}
	if rows != c.Next {
		t.Errorf("got %d rows at checkpoint %d", rows, c.Next)
	}
}
