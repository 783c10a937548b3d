package broker

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// partition is what the check found in the folder of one partition.
//
// # What a crash leaves, and what is damage
//
// kfake writes a batch into the segment and its entry into the index, and handles one request at a time. Before a
// client is answered, all that was written is synchronised, and then its ends are, in ends.bin (barrier.go, ends.go). So:
//
//  1. What lies below the end in ends.bin was complete and on disk. If anything of it is short, missing, or does not
//     match now, something changed it afterwards: that is *damage*, and nothing may be cut off.
//  2. What lies behind was promised to nobody. Of it there may be anything: after a kill all but the last batch, after
//     a loss of power any mixture of what the file system had written back by itself. What is sound is kept, since
//     records of idempotent producers are sent again and recognised; from the first flaw on the rest is *torn*, and is
//     cut off, later segments included. A batch without its entry is torn even where it is complete: kfake would take
//     it to be outside of any transaction and show it to readers that asked for committed records only, and every later
//     entry would be counted for the batch before its own.
//
// Batches follow each other without a gap, within and across segments. The first may begin above zero only as far as
// the log start that DeleteRecords left. The first byte that is damaged is reported and nothing is touched.
type partition struct {
	topic    string
	id       [16]byte // the topic's
	number   int32
	dir      string
	start    int64 // where the log begins for readers
	promised int64 // where it ended when clients were last told something

	segments  []segment
	end       int64 // the offset after the last batch that is kept
	epoch     int32 // the leader epoch of that batch
	timestamp int64 // its greatest timestamp

	open      map[int64]openTxn // by producer id
	aborted   []abortedTxn
	epochs    map[int64]int16 // the highest epoch of each producer with transactions
	sequences sequences

	cuts []cut
}

type segment struct {
	base        int64
	size, index int64 // bytes that are kept of the two files
}

// cut says what the two files of a segment are shortened to.
type cut struct {
	segment
	torn bool // bytes of a batch are cut off
}

type openTxn struct {
	first int64
	epoch int16
}

type abortedTxn struct {
	Producer int64 `json:"producer_id"`
	First    int64 `json:"first_offset"`
	Marker   int64 `json:"last_offset"`
}

func (p *partition) scan(ctx context.Context) error {
	p.open, p.epochs, p.sequences = map[int64]openTxn{}, map[int64]int16{}, sequences{}
	bases, indexes, err := p.files()
	if err != nil {
		return err
	}
	if err := p.scanOrphans(bases, indexes); err != nil {
		return err
	}
	torn := false
	for i, base := range bases {
		if !torn {
			torn, err = p.flawed(p.follows(i, base))
		}
		if torn {
			p.cuts = append(p.cuts, cut{segment{base: base}, true})
			continue
		}
		if err == nil {
			torn, err = p.scanSegment(ctx, base)
		}
		if err != nil {
			return err
		}
	}
	if len(p.segments) == 0 {
		p.end = p.start
	}
	return nil
}

// files lists the segments and the indexes of the partition by their first offset.
func (p *partition) files() (segments, indexes []int64, err error) {
	entries, err := os.ReadDir(p.dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, nil, err
	}
	for _, e := range entries {
		suffix := filepath.Ext(e.Name())
		base, err := strconv.ParseInt(strings.TrimSuffix(e.Name(), suffix), 10, 64)
		switch {
		case err != nil:
		case suffix == segmentSuffix:
			segments = append(segments, base)
		case suffix == indexSuffix:
			indexes = append(indexes, base)
		}
	}
	slices.Sort(segments)
	return segments, indexes, nil
}

// flawed tells whether a flaw at the end of what has been read is what a crash left. Below what was promised it is
// damage, which is returned. Below the log start nothing is promised any more.
func (p *partition) flawed(found *DamageError) (torn bool, err error) {
	if found == nil {
		return false, nil
	}
	if p.end < p.promised && p.promised > p.start {
		return false, found
	}
	return true, nil
}

// scanOrphans looks at indexes without a segment. kfake deletes the segment first, and a kill may come between.
func (p *partition) scanOrphans(segments, indexes []int64) error {
	for _, base := range indexes {
		if _, found := slices.BinarySearch(segments, base); found || base < p.start {
			continue
		}
		if base < p.promised {
			return &DamageError{segmentPath(p.dir, base, segmentSuffix), 0, base, "is missing, although its index is there"}
		}
		p.cuts = append(p.cuts, cut{segment{base: base}, false})
	}
	return nil
}

// follows checks that the segment with this base is the next one.
func (p *partition) follows(i int, base int64) *DamageError {
	path := segmentPath(p.dir, base, segmentSuffix)
	switch {
	case i == 0 && base > p.start:
		p.end = p.start
		return &DamageError{path, 0, p.start, fmt.Sprintf("is the first segment, and the log begins at offset %d: segments are missing", p.start)}
	case i > 0 && base != p.end:
		return &DamageError{path, 0, p.end, fmt.Sprintf("does not follow the segment before it, which ends at offset %d", p.end)}
	}
	p.end = base
	return nil
}

// scanSegment reads the batches of a segment, and tells whether it is torn.
func (p *partition) scanSegment(ctx context.Context, base int64) (torn bool, err error) {
	s, err := openSegment(p.dir, base)
	if err != nil {
		return false, err
	}
	defer s.data.Close()
	for n := int64(0); ; n++ {
		if err := ctx.Err(); err != nil {
			return false, err
		}
		at := s.at
		b, problem, err := s.next()
		if err != nil && !errors.Is(err, io.EOF) {
			return false, fmt.Errorf("read %s: %w", s.path, err)
		}
		var found *DamageError
		if err == nil {
			found = p.judge(s, n, at, b, problem)
		} else if n*entrySize < int64(len(s.index)) {
			found = &DamageError{s.path, s.size, p.end, "ends before the batches of its index"}
		}
		if found == nil && err == nil {
			p.fold(b)
			continue
		}
		if torn, err = p.flawed(found); err == nil {
			p.endSegment(s, segment{base, at, n * entrySize})
		}
		return torn, err
	}
}

// judge says what is wrong with the n-th batch of a segment: its bytes, its place, or what the index says of it.
func (p *partition) judge(s *segmentReader, n, at int64, b kmsg.RecordBatch, problem string) *DamageError {
	if problem != "" {
		return &DamageError{s.path, at, p.end, problem}
	}
	if b.FirstOffset != p.end {
		return &DamageError{s.path, at, p.end, fmt.Sprintf("has a batch of offset %d there", b.FirstOffset)}
	}
	epoch, transactional, state := s.entry(n)
	switch {
	case s.empty:
		return &DamageError{s.indexPath(), 0, p.end, "is missing, although its segment is there"}
	case state == entryMissing:
		return &DamageError{s.indexPath(), n * entrySize, p.end, "ends before the batches of its segment"}
	case state == entryBad || epoch != b.PartitionLeaderEpoch || transactional != inTxn(b):
		return &DamageError{s.indexPath(), n * entrySize, p.end, "has an entry that does not fit its batch"}
	}
	return nil
}

// endSegment closes a segment of which the given bytes are kept.
func (p *partition) endSegment(s *segmentReader, kept segment) {
	if kept.size < s.size || kept.index < int64(len(s.index)) || kept.size == 0 {
		p.cuts = append(p.cuts, cut{kept, kept.size < s.size})
	}
	if kept.size > 0 {
		p.segments = append(p.segments, kept)
	}
}

// fold carries the partition's state past one batch.
func (p *partition) fold(b kmsg.RecordBatch) {
	p.end = b.FirstOffset + int64(b.LastOffsetDelta) + 1
	p.epoch, p.timestamp = b.PartitionLeaderEpoch, b.MaxTimestamp
	switch {
	case inTxn(b):
		txn, found := p.open[b.ProducerID]
		if !found {
			txn.first = b.FirstOffset
		}
		txn.epoch = b.ProducerEpoch
		p.open[b.ProducerID] = txn
		p.epochs[b.ProducerID] = max(p.epochs[b.ProducerID], b.ProducerEpoch)
	case isControl(b):
		txn, found := p.open[b.ProducerID]
		if found && !isCommit(b) {
			p.aborted = append(p.aborted, abortedTxn{b.ProducerID, txn.first, b.FirstOffset})
		}
		delete(p.open, b.ProducerID)
		p.epochs[b.ProducerID] = max(p.epochs[b.ProducerID], b.ProducerEpoch)
	case b.ProducerID >= 0:
		p.sequences.add(b)
	}
}

// isCommit reads a marker as kfake does: what cannot be read aborts.
func isCommit(b kmsg.RecordBatch) bool {
	var r kmsg.Record
	if err := r.ReadFrom(b.Records); err != nil || len(r.Key) < 4 {
		return false
	}
	return kmsg.ControlRecordKeyType(binary.BigEndian.Uint16(r.Key[2:])) == kmsg.ControlRecordKeyTypeCommit
}
