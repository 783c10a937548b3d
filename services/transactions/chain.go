package transactions

import (
	"crypto/sha256"
	"fmt"

	"github.com/refold/refold/projections/ledger"
	"github.com/refold/refold/schemas/event"
	"github.com/refold/refold/streams/timeline"
	"github.com/refold/refold/streams/topic"
)

// head is the last record of a partition that was read.
type head struct {
	ledger.Head
	// doubted is the offset of the record before it, which it names otherwise than it is; only where broken is
	// set. Which of the two was changed is told by the record after it.
	doubted int64
	broken  bool
}

// chain checks that the record is the successor of the one before, and where it should be.
func (a *audit) chain(rec *timeline.Record, e *event.Envelope, found func(string, ...any)) {
	h := a.heads[rec.Partition]
	if h == nil {
		h = &head{}
		a.heads[rec.Partition] = h
	}
	next := head{Head: ledger.Head{PartitionSeq: e.PartitionSeq, RecordedAt: e.RecordedAt, Hash: sha256.Sum256(rec.Value), Offset: rec.Offset}}
	if e.PartitionSeq != h.PartitionSeq+1 {
		found("is number %d of its partition, after number %d", e.PartitionSeq, h.PartitionSeq)
	}
	whole := e.PrevHash == h.Hash
	switch {
	case h.broken:
		a.blame(rec.Partition, h, whole)
	case !whole && (h.PartitionSeq == 0 || e.PartitionSeq != h.PartitionSeq+1):
		found("names another record than the one before it as its predecessor")
	case !whole:
		next.doubted, next.broken = h.Offset, true
	}
	if h.PartitionSeq > 0 && e.RecordedAt <= h.RecordedAt {
		found("was recorded at %s, not after the one before it", text(e.RecordedAt))
	}
	if string(rec.Key) != e.CustomerID {
		found("has the key %q, but is of customer %q", rec.Key, e.CustomerID)
	}
	if want := topic.Of(e.CustomerID, a.Partitions); want != rec.Partition {
		found("is of customer %q, who belongs to partition %d", e.CustomerID, want)
	}
	*h = next
}

// blame tells which of two records was changed that do not fit: the first, where the record after them names the
// second as it is.
func (a *audit) blame(partition int32, h *head, whole bool) {
	if whole {
		a.problem(partition, h.doubted, "was changed: the record after it, at offset %d, names another one", h.Offset)
		return
	}
	a.problem(partition, h.Offset, "was changed: it names another record than the one before it, at offset %d, and the one after it names another one", h.doubted)
}

// doubts tells of the last two records of a partition that do not fit.
func (a *audit) doubts() {
	for p, h := range a.heads {
		if h.broken {
			a.problem(p, h.Offset, "%s", fmt.Sprintf("names another record than the one before it, at offset %d: one of the two was changed", h.doubted))
		}
	}
}
