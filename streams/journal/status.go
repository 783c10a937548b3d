package journal

import (
	"sync"
	"time"
)

// Status is what one owned partition is doing. Counts are since the writer started, and only grow.
type Status struct {
	Partition int32
	State     State
	// Since is when the state began.
	Since time.Time
	// Next is the offset of the next record, -1 before the first commit.
	Next int64
	// Queued is how many commands wait to be decided.
	Queued int
	// Commands were answered with an outcome; Batches and Records were committed.
	Commands, Batches, Records int64
	// Committing is the time that all commits took together, and LastCommit what the last one took.
	Committing, LastCommit time.Duration
	// Failures is how often the outcome of something was unknown.
	Failures int64
	// Problem is the last failure, "" where there was none since the last commit.
	Problem string
}

// meter keeps the status of a writer. Its methods may be called concurrently.
type meter struct {
	mu sync.Mutex
	s  Status // guarded by mu
}

func (m *meter) enter(state State) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.s.State != state {
		m.s.State, m.s.Since = state, time.Now()
	}
}

func (m *meter) committed(records int, took time.Duration, next int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.s.Batches++
	m.s.Records += int64(records)
	m.s.Committing += took
	m.s.LastCommit = took
	m.s.Next = next
	m.s.Problem = ""
}

func (m *meter) answered(commands int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.s.Commands += int64(commands)
}

func (m *meter) failed(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.s.Failures++
	m.s.Problem = err.Error()
}

func (m *meter) status(partition int32, queued int) Status {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.s
	s.Partition, s.Queued = partition, queued
	if s.Batches == 0 {
		s.Next = -1
	}
	return s
}
