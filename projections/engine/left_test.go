package engine_test

import (
	"bytes"
	"sync"
	"testing"

	"github.com/refold/refold/projections/projection"
	"github.com/refold/refold/projections/spending"
	"github.com/refold/refold/projections/store"
	"github.com/refold/refold/projections/store/memory"
)

// shared are stores that several processes could write to: of two writes of a row that stays which more events are left
// out of, then that which is further, whichever comes last. Two that are level must be the same bytes.
type shared struct {
	*memory.Stores
	t *testing.T

	mu   sync.Mutex
	rows map[rowOf]written // guarded by mu
}

type rowOf struct {
	store.Generation
	task int32
	key  string
}

type written struct {
	left  int
	at    int64
	value []byte
}

func newShared(t *testing.T) *shared {
	return &shared{Stores: memory.New(), t: t, rows: make(map[rowOf]written)}
}

// left returns how many events are left out of a row of spending.
func (s *shared) left(generation int64, key string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	for of, w := range s.rows {
		if of.Generation == (store.Generation{Projection: spending.Name, Number: generation}) && of.key == key {
			return w.left
		}
	}
	return -1
}

func (s *shared) Open(g store.Generation) (store.Store, error) {
	under, err := s.Stores.Open(g)
	return sharedStore{under, s, g}, err
}

type sharedStore struct {
	store.Store
	shared     *shared
	generation store.Generation
}

func (s sharedStore) Save(task int32, c store.Checkpoint, fill func(store.Writer) error) error {
	return s.Store.Save(task, c, func(w store.Writer) error { return fill(sharedWriter{w, s, task}) })
}

func (s sharedStore) Ingest(task int32, c store.Checkpoint, fill func(store.Writer) error) error {
	return s.Save(task, c, fill)
}

type sharedWriter struct {
	store.Writer
	sharedStore
	task int32
}

func (w sharedWriter) Set(key, value []byte) error { return w.SetWithout(0, key, value) }

func (w sharedWriter) SetWithout(left int, key, value []byte) error {
	w.shared.mu.Lock()
	defer w.shared.mu.Unlock()
	of := rowOf{w.generation, w.task, string(key)}
	at, _ := projection.StoredOffset(value)
	was, found := w.shared.rows[of]
	switch {
	case found && (left < was.left || left == was.left && at < was.at):
		return nil
	case found && left == was.left && at == was.at && !bytes.Equal(value, was.value):
		w.shared.t.Errorf("row %q was written twice at %d without %d of its events, and not the same", key, at, left)
		return nil
	}
	w.shared.rows[of] = written{left, at, bytes.Clone(value)}
	return w.Writer.Set(key, value)
}
