package pebble

import (
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/refold/refold/projections/store"
)

func quiet(t *testing.T) *Stores {
	t.Helper()
	s := New(t.TempDir(), 1<<20, slog.New(slog.NewTextHandler(io.Discard, nil)))
	t.Cleanup(s.Close)
	return s
}

func save(s store.Store, next int64) error {
	return s.Save(0, store.Checkpoint{Next: next}, func(w store.Writer) error { return w.Set([]byte{byte(next)}, make([]byte, 64<<10)) })
}

// KW-24: a save waits while the disk is full, and is done when there is room.
func TestKW24SaveWaitsForRoom(t *testing.T) {
	s := quiet(t)
	var full atomic.Bool
	asked := make(chan struct{}, 1)
	s.files = errorfs.Wrap(vfs.Default, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if full.Load() && op.Kind.ReadOrWrite() == errorfs.OpIsWrite {
			return syscall.ENOSPC
		}
		return nil
	}))
	s.free = func() (uint64, error) {
		select {
		case asked <- struct{}{}:
		default:
		}
		if full.Load() {
			return 0, nil
		}
		return enoughRoom, nil
	}
	rows, err := s.Open(store.Generation{Projection: "p", Number: 1})
	if err != nil {
		t.Fatal(err)
	}
	full.Store(true)
	saved := make(chan error, 1)
	go func() { // as many saves as make Pebble write
		var err error
		for next := int64(1); next <= 20 && err == nil; next++ {
			err = save(rows, next)
		}
		saved <- errors.Join(err, rows.Close())
	}()
	within := time.After(time.Minute)
	select {
	case <-asked:
	case <-within:
		t.Fatal("nobody asked for room")
	}
	full.Store(false)
	select {
	case err := <-saved:
		if err != nil {
			t.Error(err)
		}
	case <-within:
		t.Error("it does not go on")
	}
}

// KW-15: rows that somebody has open, or that may not be read, are not taken for damaged; rows that lack a file are.
func TestKW15WhatIsDamaged(t *testing.T) {
	s := quiet(t)
	g := store.Generation{Projection: "p", Number: 1}
	rows, err := s.Open(g)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Open(g); err == nil || errors.Is(err, store.ErrDamaged) {
		t.Errorf("opened twice: got %v", err)
	}
	if err := errors.Join(save(rows, 1), rows.Close()); err != nil {
		t.Fatal(err)
	}
	manifests, err := filepath.Glob(filepath.Join(s.path(g), "MANIFEST-*"))
	if err != nil || len(manifests) != 1 {
		t.Fatal(manifests, err)
	}
	if err := os.Remove(manifests[0]); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Open(g); !errors.Is(err, store.ErrDamaged) {
		t.Errorf("without a file: got %v, want %v", err, store.ErrDamaged)
	}
}

// KW-15: damage that is found ends the process, once: rows that are known to be damaged cannot be opened, and
// can be dropped.
func TestKW15KnownDamageIsNotOpened(t *testing.T) {
	s := quiet(t)
	g := store.Generation{Projection: "p", Number: 1}
	rows, err := s.Open(g)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(save(rows, 1), rows.Close()); err != nil {
		t.Fatal(err)
	}
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the process goes on")
			}
		}()
		s.damaged(s.path(g))(pebble.DataCorruptionInfo{Path: "000007.sst", Details: errors.New("bad checksum")})
	}()
	if _, err := s.Open(g); !errors.Is(err, store.ErrDamaged) {
		t.Errorf("got %v, want %v", err, store.ErrDamaged)
	}
	if err := s.Drop(g); err != nil {
		t.Fatal(err)
	}
	rows, err = s.Open(g)
	if err != nil {
		t.Fatal(err)
	}
	if c, err := rows.Checkpoint(0); c.Next != 0 || err != nil {
		t.Errorf("got a checkpoint at %d, %v, want none", c.Next, err)
	}
	if err := rows.Close(); err != nil {
		t.Error(err)
	}
}
