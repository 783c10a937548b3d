package engine

import (
	"sync"
	"time"
)

// meter gives the rate of a counter over its last readings. It may be used concurrently.
type meter struct {
	mu       sync.Mutex
	readings [10]reading // guarded by mu; a ring
	n        int         // guarded by mu; readings taken
}

type reading struct {
	at    time.Time
	count int64
}

func (m *meter) note(at time.Time, count int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.readings[m.n%len(m.readings)] = reading{at, count}
	m.n++
}

func (m *meter) perSecond() float64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.n < 2 {
		return 0
	}
	last := m.readings[(m.n-1)%len(m.readings)]
	first := m.readings[max(m.n-len(m.readings), 0)%len(m.readings)]
	elapsed := last.at.Sub(first.at).Seconds()
	if elapsed <= 0 || last.count < first.count {
		return 0
	}
	return float64(last.count-first.count) / elapsed
}
