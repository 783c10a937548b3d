package engine

import (
	"fmt"
	"math"
	"slices"
	"sync/atomic"

	"github.com/refold/refold/streams/timeline"
)

// merger puts the records of several sources of one partition into one order. It is used by the goroutine of its
// task, but for ends and the counts of what waits.
type merger struct {
	sources []string
	clock   func(*timeline.Record) (int64, error) // when a record was recorded, in µs since 1970
	at      vector                                // up to where records were given on
	read    vector                                // up to where they were read
	queues  [][]dated                             // what was read and not given on
	waiting []atomic.Int64                        // how many records those are
	ends    []atomic.Int64                        // where the sources end, as last seen; -1 before
}

// dated is a record with the time at which it was recorded.
type dated struct {
	*timeline.Record
	at int64
}

// piece is what may be folded next: records of several sources in their order, and the places between which they are.
type piece struct {
	records []*timeline.Record
	round
}

func newMerger(sources []string, at vector, clock func(*timeline.Record) (int64, error)) *merger {
	m := &merger{
		sources: sources, clock: clock, at: slices.Clone(at), read: slices.Clone(at), queues: make([][]dated, len(sources)),
		waiting: make([]atomic.Int64, len(sources)), ends: make([]atomic.Int64, len(sources)),
	}
	for i := range m.ends {
		m.ends[i].Store(-1)
	}
	return m
}

// saw notes where a source ends; ends only grow. It may be called concurrently, and returns the sum of the ends, -1
// while one of them is not known.
func (m *merger) saw(source int, end int64) (sum int64) {
	for known := m.ends[source].Load(); end > known; known = m.ends[source].Load() {
		if m.ends[source].CompareAndSwap(known, end) {
			break
		}
	}
	for i := range m.ends {
		end := m.ends[i].Load()
		if end < 0 {
			return -1
		}
		sum += end
	}
	return sum
}

// maxAhead is about how many records of one source wait for another at most.
const maxAhead = 10_000

// full tells whether enough records of a source wait. It may be called concurrently.
func (m *merger) full(source int) bool { return m.waiting[source].Load() >= maxAhead }

// anyFull tells whether enough records of some source wait.
func (m *merger) anyFull() bool {
	for i := range m.sources {
		if m.full(i) {
			return true
		}
	}
	return false
}

// add takes a batch of a source.
func (m *merger) add(b timeline.Batch) error {
	i := slices.Index(m.sources, b.Topic)
	if b.From > m.read[i] && b.Next > m.read[i] {
		return fmt.Errorf("%w: %s was read from %d, and before that to %d", timeline.ErrHole, b.Topic, b.From, m.read[i])
	}
	for _, rec := range b.Records {
		if rec.Offset < m.read[i] {
			continue
		}
		at, err := m.clock(rec)
		if err != nil {
			return fmt.Errorf("record of %s at offset %d: %w", b.Topic, rec.Offset, err)
		}
		m.queues[i] = append(m.queues[i], dated{rec, at})
	}
	m.read[i] = max(m.read[i], b.Next)
	m.waiting[i].Store(int64(len(m.queues[i])))
	return nil
}

// take gives on up to so many records. They end where a source has to be waited for: with a logged round, where its next
// record is not here and stands before the end of the round; without one, where its next record is not here and it
// is not at its end. It is false where nothing can be given on.
func (m *merger) take(logged *round, most int) (piece, bool) {
	p := piece{round: round{begin: slices.Clone(m.at)}}
	source, more := m.first(logged)
	for ; source >= 0 && len(p.records) < most; source, more = m.first(logged) {
		rec := m.queues[source][0]
		m.queues[source] = m.queues[source][1:]
		m.waiting[source].Add(-1)
		m.at[source] = rec.Offset + 1
		p.records = append(p.records, rec.Record)
	}
	switch {
	case logged == nil:
		// What was read beyond the last record holds none: markers of transactions, and what was aborted.
		for i := range m.at {
			if len(m.queues[i]) == 0 {
				m.at[i] = m.read[i]
			}
		}
	case source < 0 && !more:
		copy(m.at, logged.end)
	}
	p.end = slices.Clone(m.at)
	return p, !slices.Equal(p.begin, p.end)
}

// first returns the source of the next record, -1 where there is none, and then whether there is more to wait for.
func (m *merger) first(logged *round) (source int, more bool) {
	source = -1
	for i := range m.sources {
		end := int64(math.MaxInt64)
		if logged != nil {
			end = logged.end[i]
		}
		switch {
		case len(m.queues[i]) > 0:
			if head := m.queues[i][0]; head.Offset < end && (source < 0 || m.before(i, source)) {
				source = i
			}
		case logged != nil && m.read[i] < end:
			return -1, true
		case logged == nil && (m.ends[i].Load() < 0 || m.read[i] < m.ends[i].Load()):
			return -1, true
		}
	}
	return source, false
}

// before tells whether the next record of a source comes before that of another.
func (m *merger) before(source, other int) bool {
	a, b := m.queues[source][0], m.queues[other][0]
	return a.at < b.at || a.at == b.at && m.sources[source] < m.sources[other]
}
