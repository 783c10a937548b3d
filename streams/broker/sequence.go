package broker

import (
	"cmp"
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// sequences are the last batches of the idempotent producers of a partition, by producer id.
type sequences map[int64]*sequence

type sequence struct {
	epoch int16
	last  []sequenceEntry // at most 5, the oldest first
}

type sequenceEntry struct {
	First  int32 `json:"first_seq"`
	Next   int32 `json:"next_seq"`
	Offset int64 `json:"offset"`
}

const (
	// sequenceDepth is how many batches a producer may have under way, so how many it may repeat.
	sequenceDepth = 5
	// maxSequences bounds the producers that are remembered of a partition: those that wrote last.
	maxSequences = 100
)

func (s sequences) add(b kmsg.RecordBatch) {
	q := s[b.ProducerID]
	if q == nil || q.epoch != b.ProducerEpoch {
		q = &sequence{epoch: b.ProducerEpoch}
		s[b.ProducerID] = q
	}
	next := int32((int64(b.FirstSequence) + int64(b.NumRecords)) % (1<<31 - 1))
	if len(q.last) == sequenceDepth {
		q.last = slices.Delete(q.last, 0, 1)
	}
	q.last = append(q.last, sequenceEntry{b.FirstSequence, next, b.FirstOffset})
	if len(s) >= 2*maxSequences {
		s.forget()
	}
}

// forget leaves the producers that wrote last.
func (s sequences) forget() {
	type writer struct{ id, offset int64 }
	var writers []writer
	for id, q := range s {
		writers = append(writers, writer{id, q.last[len(q.last)-1].Offset})
	}
	slices.SortFunc(writers, func(a, b writer) int { return cmp.Compare(b.offset, a.offset) })
	for _, w := range writers[min(maxSequences, len(writers)):] {
		delete(s, w.id)
	}
}
