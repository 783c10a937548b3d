// Package memory keeps rows in memory, for tests. It keeps every promise of a store but durability.
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
	tasks map[int32]*task // guarded by mu; the tasks are never changed, but replaced
}

type task struct {
	checkpoint store.Checkpoint
	rows       map[string][]byte
}

// NewStore returns an empty store.
func NewStore() *Store { return &Store{tasks: make(map[int32]*task)} }

func (s *Store) task(n int32) *task {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if t := s.tasks[n]; t != nil {
		return t
	}
	return &task{}
}

// Checkpoint implements store.Reader.
func (s *Store) Checkpoint(n int32) (store.Checkpoint, error) { return s.task(n).checkpoint, nil }

// Load implements store.Reader.
func (s *Store) Load(n int32, key []byte) ([]byte, error) {
	return bytes.Clone(s.task(n).rows[string(key)]), nil
}

// Scan implements store.Reader.
func (s *Store) Scan(n int32, from, to []byte, fn func(key, value []byte) bool) error {
	t := s.task(n)
	for _, k := range slices.Sorted(maps.Keys(t.rows)) {
		if k < string(from) || (to != nil && k >= string(to)) {
			continue
		}
		if !fn([]byte(k), t.rows[k]) {
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

// Save implements store.Store.
func (s *Store) Save(n int32, c store.Checkpoint, fill func(store.Writer) error) error {
	rows := maps.Clone(s.task(n).rows)
	if rows == nil {
		rows = make(map[string][]byte)
	}
	if err := fill(writer(rows)); err != nil {
		return fmt.Errorf("save task %d: %w", n, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tasks[n] = &task{checkpoint: c, rows: rows}
	return nil
}

// Snapshot implements store.Store.
func (s *Store) Snapshot() (store.Snapshot, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return &Store{tasks: maps.Clone(s.tasks)}, nil
}

// Forget takes a task's checkpoint away and keeps its rows, as a crash between two writes would leave a
// store whose rows and checkpoint are written apart.
func (s *Store) Forget(n int32) {
	rows := s.task(n).rows
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tasks[n] = &task{rows: rows}
}

// Close implements store.Store.
func (s *Store) Close() error { return nil }
