// Package memory keeps rows in memory, for tests and for rows of the past. It keeps every promise of a store but durability.
package memory

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/refold/refold/projections/store"
)

// Stores keeps generations for as long as it is reachable: a store that is closed and opened again has
// its rows, as after a restart.
type Stores struct {
	mu   sync.Mutex
	data map[store.Generation]*Store // guarded by mu
}

// New returns an empty set of stores.
func New() *Stores { return &Stores{data: make(map[store.Generation]*Store)} }

// Open implements store.Stores.
func (s *Stores) Open(g store.Generation) (store.Store, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.data[g] == nil {
		s.data[g] = NewStore()
	}
	return s.data[g], nil
}

// Drop implements store.Stores.
func (s *Stores) Drop(g store.Generation) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.data, g)
	return nil
}

// Store keeps one generation.
type Store struct {
	mu    sync.RWMutex
	tasks map[int32]*task // guarded by mu, with what is in it
}

type task struct {
	checkpoint store.Checkpoint
	rows       map[string][]byte // the values are never changed, but replaced
	shared     bool              // with a snapshot: the rows are copied before they are changed
}

// NewStore returns an empty store.
func NewStore() *Store { return &Store{tasks: make(map[int32]*task)} }

// task returns a task, an empty one where nothing is saved. The caller holds mu.
func (s *Store) task(n int32) *task {
	if t := s.tasks[n]; t != nil {
		return t
	}
	return &task{}
}

// Checkpoint implements store.Reader.
func (s *Store) Checkpoint(n int32) (store.Checkpoint, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.task(n).checkpoint, nil
}

// Load implements store.Reader.
func (s *Store) Load(n int32, key []byte) ([]byte, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return bytes.Clone(s.task(n).rows[string(key)]), nil
}

// Scan implements store.Reader.
func (s *Store) Scan(n int32, from, to []byte, fn func(key, value []byte) bool) error {
	rows := make(writer)
	s.mu.RLock()
	for k, value := range s.task(n).rows {
		if k >= string(from) && (to == nil || k < string(to)) {
			rows[k] = value
		}
	}
	s.mu.RUnlock()
	for _, k := range slices.Sorted(maps.Keys(rows)) {
		if !fn([]byte(k), rows[k]) {
			return nil
		}
	}
	return nil
}

type writer map[string][]byte

func (w writer) Set(key, value []byte) error {
	w[string(key)] = bytes.Clone(value)
	return nil
}

func (w writer) SetWithout(_ int, key, value []byte) error { return w.Set(key, value) }

// Ingest implements store.Store.
func (s *Store) Ingest(n int32, c store.Checkpoint, fill func(store.Writer) error) error {
	return s.Save(n, c, fill)
}

// Save implements store.Store.
func (s *Store) Save(n int32, c store.Checkpoint, fill func(store.Writer) error) error {
	changed := make(writer)
	if err := fill(changed); err != nil {
		return fmt.Errorf("save task %d: %w", n, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.task(n)
	switch {
	case t.rows == nil:
		t = &task{rows: make(map[string][]byte)}
	case t.shared:
		t = &task{rows: maps.Clone(t.rows)}
	}
	maps.Copy(t.rows, changed)
	t.checkpoint = c
	s.tasks[n] = t
	return nil
}

// Snapshot implements store.Store.
func (s *Store) Snapshot() (store.Snapshot, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.tasks {
		t.shared = true
	}
	return &Store{tasks: maps.Clone(s.tasks)}, nil
}

// Forget takes a task's checkpoint away and keeps its rows, as a crash between two writes would leave a
// store whose rows and checkpoint are written apart.
func (s *Store) Forget(n int32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.task(n)
	s.tasks[n] = &task{rows: t.rows, shared: t.shared}
}

// Wipe takes a task's checkpoint and rows away, as if it had never been here.
func (s *Store) Wipe(n int32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.tasks, n)
}

// Close implements store.Store.
func (s *Store) Close() error { return nil }
