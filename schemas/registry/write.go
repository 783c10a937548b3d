package registry

import (
	"context"
	"fmt"
)

// maxRecord bounds key and value of a record, in bytes: a broker takes 1 MiB unless it is told otherwise, and wants
// some of it for itself.
const maxRecord = 1_000_000

// decision looks at the state and either refuses, or answers at once, as when a schema is registered that is there
// already, or answers on the condition that a record is applied.
type decision func(*state) (outcome, error)

// outcome is an answer, and the record that must be applied for it to be true, if any.
type outcome struct {
	answer any
	wish   *record
}

// write carries out a decision. If its record is refused by the fold, because another instance was faster, it is taken
// again on the state that the other left. That ends: each time somebody else got on. It is first taken at the end of
// the log, so that an answer takes account of everything that was answered before it was asked for.
func (s *Server) write(ctx context.Context, decide decision) (any, error) {
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	for {
		if err := s.catchUp(ctx); err != nil {
			return nil, err
		}
		out, err := s.decide(decide)
		if err != nil || out.wish == nil {
			return out.answer, err
		}
		applied, err := s.append(ctx, out.wish)
		if err != nil || applied {
			return out.answer, err
		}
	}
}

// decide takes a decision and notes on its record the state that it was taken for.
func (s *Server) decide(decide decision) (outcome, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	out, err := decide(s.state)
	if err == nil && out.wish != nil {
		out.wish.value.Expect = len(s.state.applied)
	}
	return out, err
}

// append adds a record to the log and folds up to it, to see whether it was applied.
func (s *Server) append(ctx context.Context, wish *record) (applied bool, err error) {
	e, err := wish.encode()
	if err != nil {
		return false, err
	}
	if size := len(e.key) + len(e.value); size > maxRecord {
		return false, refuse(codeSchemaTooLarge, "The schema is too large: %d bytes as a record, of at most %d.", size, maxRecord)
	}
	offset, err := s.log.Append(ctx, e.key, e.value)
	if err != nil {
		return false, fmt.Errorf("append %s of subject %q to the schema log: %w", wish.key.Kind, wish.key.Subject, err)
	}
	err = s.await(ctx, func() bool {
		applied = s.state.wasApplied(offset)
		return s.state.next > offset
	})
	return applied, err
}
