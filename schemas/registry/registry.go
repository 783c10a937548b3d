// Package registry is a schema registry with the REST API of Confluent's, for Avro, embedded in the process that needs
// it.
//
// Its state is a fold of one log, the partition of the `_schemas` topic, which is never compacted and never loses a
// record. Any number of instances follow the same log and append to it; nobody leads. A record is a wish that names
// the state for which it was made: how many records had been applied. The fold applies it if it meets that state, and
// otherwise refuses it, at every instance alike; the instance that wished finds its own record by its offset, and if it
// was refused checks the request against what happened in between, and either has its answer or wishes again. So the
// first valid registration wins, and all instances know the same ids.
//
// The rules (is the text valid Avro, is it compatible, does the mode allow it) are checked when the wish is made, and
// not by the fold: a later release may judge differently, and the ids of a log must not depend on the release that
// reads it.
//
// What holds for ever: an id is given once and never comes to mean another schema, not even after a permanent
// deletion, and a schema that is registered again gets the id it had.
//
// Where it differs from Confluent's registry, on purpose:
//   - The compatibility level that holds until one is set is FULL_TRANSITIVE (Confluent's: BACKWARD), because a
//     platform that replays history reads it with every schema; Config.Default changes it.
//   - Schemas are AVRO; JSON and PROTOBUF, metadata, rule sets, aliases and contexts are refused with an error that
//     says so. The parameter normalize is accepted and changes nothing: texts that differ only in form are one schema
//     in any case (see canonical).
//   - Two different logical types of one value are incompatible (see resolveStrictly).
//   - A version can be deleted permanently only when no version, soft-deleted ones included, refers to it, so that
//     every reference that the registry shows can be followed.
//   - A permanently deleted schema keeps its id for the case that it is registered again; Confluent's gives it a new one.
//   - An instance that does not find something reads to the end of the log before it says so.
package registry

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// Log is one partition of a topic: appended to by anyone, read by everyone in the same order. Its methods may be
// called concurrently.
type Log interface {
	// Append adds a record and returns its offset once the record is durable. After an error it is unknown whether
	// the record was added.
	Append(ctx context.Context, key, value []byte) (offset int64, err error)

	// Follow calls fn for each committed record from offset from on, in order, and then for new ones as they come.
	// It ends when the context ends, when fn returns an error, which it returns, or when it fails itself. Offsets may
	// have gaps.
	Follow(ctx context.Context, from int64, fn func(offset int64, key, value []byte) error) error

	// End is the offset after the last record that Follow would deliver now, 0 for an empty log.
	End(ctx context.Context) (int64, error)
}

// Config sets up a Server. The zero value is a good one.
type Config struct {
	// Default is the compatibility level of the whole registry while none is set by PUT /config: FULL_TRANSITIVE if
	// it is empty. All instances over one log must have the same.
	Default Compatibility

	// Cluster is the id of the Kafka cluster that the log is in; nobody is told where it is empty.
	Cluster string

	// Timeout bounds every request, the wait for the log included: 30 seconds if it is 0. A request that takes longer
	// is answered with error code 50002; whether it took effect is then unknown.
	Timeout time.Duration

	// Logger takes the errors of the log, which callers of the REST API are not shown: slog.Default() if it is nil.
	Logger *slog.Logger
}

// Server is one instance of the registry. Its methods may be called concurrently.
type Server struct {
	log   Log
	cfg   Config
	rules *rules
	turn  chan struct{} // holds a token while one request of this instance writes, so that they do not refuse each other

	mu      sync.RWMutex
	state   *state        // guarded by mu; never nil
	end     int64         // guarded by mu; the end of the log when Run began, -1 before
	stopped error         // guarded by mu; why Run returned, nil before and while it runs
	changed chan struct{} // guarded by mu; closed and replaced whenever one of the above changes
}

// New returns a server over log that serves nothing before Run follows the log.
func New(log Log, cfg Config) *Server {
	if cfg.Default == "" {
		cfg.Default = FullTransitive
	}
	if !cfg.Default.valid() {
		panic(fmt.Sprintf("registry: Config.Default %q is no compatibility level", cfg.Default))
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = 30 * time.Second
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	return &Server{
		log:     log,
		cfg:     cfg,
		rules:   &rules{parsed: map[int]*avroSchema{}},
		turn:    make(chan struct{}, 1),
		state:   emptyState(),
		end:     -1,
		changed: make(chan struct{}),
	}
}

// errNotRunning answers requests after Run was told to stop.
var errNotRunning = errors.New("the registry does not run")

// Run follows the log until the context ends, when it returns nil, or until the log fails or holds a record that
// cannot be folded, when it returns an error that names the offset. Nothing is skipped. While Run does not run,
// requests are answered with error code 50001. It may be called again, but not twice at a time: it goes on where it
// stood.
func (s *Server) Run(ctx context.Context) error {
	err := s.follow(ctx)
	if ctx.Err() != nil {
		err = nil
	}
	s.change(func() {
		s.stopped = err
		if err == nil {
			s.stopped = errNotRunning
		}
	})
	return err
}

func (s *Server) follow(ctx context.Context) error {
	end, err := s.log.End(ctx)
	if err != nil {
		return fmt.Errorf("find the end of the schema log: %w", err)
	}
	var from int64
	s.change(func() {
		s.end, s.stopped, from = end, nil, s.state.next
	})
	err = s.log.Follow(ctx, from, func(offset int64, key, value []byte) error {
		var err error
		s.change(func() { err = s.state.fold(offset, key, value) })
		return err
	})
	if err == nil {
		err = errors.New("it ended")
	}
	return fmt.Errorf("follow the schema log from offset %d: %w", from, err)
}

// Ready waits until everything that was in the log when Run began is folded. Its error is the context's, or says why
// Run stopped.
func (s *Server) Ready(ctx context.Context) error {
	return s.await(ctx, func() bool { return s.end >= 0 && s.state.next >= s.end })
}

// change runs fn under the lock and wakes everyone who waits.
func (s *Server) change(fn func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fn()
	close(s.changed)
	s.changed = make(chan struct{})
}

// await waits until ok, which is called under the lock, is true.
func (s *Server) await(ctx context.Context, ok func() bool) error {
	for {
		s.mu.RLock()
		done, stopped, changed := ok(), s.stopped, s.changed
		s.mu.RUnlock()
		if stopped != nil {
			return stopped
		}
		if done {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		}
	}
}

// catchUp waits until everything that is in the log now is folded.
func (s *Server) catchUp(ctx context.Context) error {
	end, err := s.log.End(ctx)
	if err != nil {
		return fmt.Errorf("find the end of the schema log: %w", err)
	}
	return s.await(ctx, func() bool { return s.state.next >= end })
}

// read answers a question from the state, and asks again at the end of the log if the first answer is that something
// is not there: another instance may just have given out the id that is asked for.
func read[T any](ctx context.Context, s *Server, question func(*state) (T, error)) (T, error) {
	answer, err := look(s, question)
	if !notFound(err) {
		return answer, err
	}
	if err := s.catchUp(ctx); err != nil {
		return answer, err
	}
	return look(s, question)
}

func look[T any](s *Server, question func(*state) (T, error)) (T, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return question(s.state)
}
