//go:build synctests

package engine_test

import (
	"slices"

	"github.com/refold/refold/projections/projection"
	"github.com/refold/refold/projections/store"
)

// What a shelf remembers of parkings that were lost, or that came back: the judge asks for it.

// noteBack notes which rows a late write has parked again. One that a retry had brought on since stays as it is, ahead of
// what is said of it, until it is retried once more. The caller holds mu.
func (s *shelf) noteBack(of taskOf, before []store.Parked) {
	for _, p := range s.task(of).checkpoint.Parked {
		if !slices.ContainsFunc(before, func(b store.Parked) bool { return string(b.Key) == string(p.Key) }) {
			s.back[parking{of, projection.DecodeKey(string(p.Key)).Partition, p.Position}] = true
		}
	}
}

// parkedLate tells whether a late write has parked a row again.
func (s *shelf) parkedLate(p parking) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.back[p]
}

// forget notes which rows of a task were parked, when that is lost: if their events have been mended meanwhile they are
// folded again in silence, as their positions are below the marks. The caller holds mu.
func (s *shelf) forget(of taskOf) {
	for _, p := range s.task(of).checkpoint.Parked {
		row := rowAt{of.partition, projection.DecodeKey(string(p.Key)).Partition}
		if since, ok := s.lost[row]; !ok || p.Position < since {
			s.lost[row] = p.Position
		}
	}
}

// lose takes a task's rows and checkpoint away. Nobody may have it open.
func (s *shelf) lose(of taskOf) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forget(of)
	delete(s.tasks, of)
}

// waits tells whether a row of a generation stands still at an offset, or whether it is lost that it did.
func (s *shelf) waits(generation int64, row rowAt, offset int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if since, ok := s.lost[row]; ok && since <= offset {
		return true
	}
	of := taskOf{store.Generation{Projection: simulated, Number: generation}, row.partition}
	return slices.ContainsFunc(s.task(of).checkpoint.Parked, func(p store.Parked) bool {
		return projection.DecodeKey(string(p.Key)).Partition == row.key && p.Position <= offset
	})
}
