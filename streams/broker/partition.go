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
// kfake writes a batch in this order: the batch into the segment, its entry into the index, fsync of both, the answer
// to the client. It handles one request at a time, so at most one batch of the whole broker is under way, and that
// batch is the last of the last segment of its partition. From the order follows what may be found there:
//
//  1. After a kill, what the kernel was given stays. So the index has an entry only where the whole batch is in the
//     segment; and where the entry is missing, no client was answered. A last batch without an entry is *torn*,
//     whether its bytes are short, wrong or complete, and is cut off together with what there is of its entry.
//     It must be cut even where it is complete: kfake would take a batch without an entry to be outside of any
//     transaction and show it to readers that asked for committed records only, and every later entry would be
//     counted for the batch before its own.
//  2. A batch with an entry was complete once. If its bytes are short or do not match their checksum now, something
//     changed them afterwards: that is *damage*, also in the very last batch, and nothing may be cut off.
//  3. An older segment was complete before the next was begun, so anything short in it is damage.
//  4. After a loss of power the file systems of today (ext4, xfs, btrfs) keep what was synchronised; of the one batch
//     under way there may be any mixture: nothing, a file of the right size that ends in zeros, an entry of zeros.
//     A blank last entry therefore counts as missing. A sound entry whose batch did not reach the disk is refused as
//     damage by rule 2: that takes a write-back between two system calls, whereas cutting there would lose promised
//     records whenever a file was shortened by anything else.
//
// Batches follow each other without a gap, within and across segments. The first may begin above zero only as far as
// the log start that DeleteRecords left, and the log may not end before it ended at the last start or clean stop,
// which kfake's snapshot.json tells. The first byte that breaks a rule is reported and nothing is touched.
type partition struct {
	topic  string
	number int32
	dir    string
	start  int64 // where the log begins for readers
	seen   int64 // an end that the log had before

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
	if p.seen, err = snapshotEnd(p.dir); err != nil {
		return err
	}
	p.seen = max(p.seen, p.start)
	if err := p.scanOrphans(bases, indexes); err != nil {
		return err
	}
	for i, base := range bases {
		if err := p.follows(i, base); err != nil {
			return err
		}
		if err := p.scanSegment(ctx, base, i == len(bases)-1); err != nil {
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

// scanOrphans refuses indexes without a segment, unless it was one below the log start: kfake deletes the segment
// first, and a kill may come between.
func (p *partition) scanOrphans(segments, indexes []int64) error {
	for _, base := range indexes {
		if _, found := slices.BinarySearch(segments, base); found {
			continue
		}
		info, err := os.Stat(segmentPath(p.dir, base, indexSuffix))
		if err != nil {
			return err
		}
		if info.Size() > 0 && base >= p.start {
			return &DamageError{segmentPath(p.dir, base, segmentSuffix), 0, base, "is missing, although its index is there"}
		}
	}
	return nil
}

// follows checks that the segment with this base is the next one.
func (p *partition) follows(i int, base int64) error {
	path := segmentPath(p.dir, base, segmentSuffix)
	switch {
	case i == 0 && base > p.start:
		return &DamageError{path, 0, p.start, fmt.Sprintf("is the first segment, and the log begins at offset %d: segments are missing", p.start)}
	case i > 0 && base != p.end:
		return &DamageError{path, 0, p.end, fmt.Sprintf("does not follow the segment before it, which ends at offset %d", p.end)}
	}
	p.end = base
	return nil
}

func (p *partition) scanSegment(ctx context.Context, base int64, last bool) error {
	s, err := openSegment(p.dir, base)
	if err != nil {
		return err
	}
	defer s.data.Close()
	if s.empty && s.size > 0 {
		return &DamageError{segmentPath(p.dir, base, indexSuffix), 0, base, "is missing, although its segment is there"}
	}
	for n := int64(0); ; n++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		at := s.at
		b, found, err := s.next()
		if errors.Is(err, io.EOF) || err == nil && last && torn(s, n, found) {
			return p.endSegment(s, segment{base, at, n * entrySize}, last)
		}
		if err != nil {
			return fmt.Errorf("read %s: %w", s.path, err)
		}
		if err := p.accept(s, n, at, b, found); err != nil {
			return err
		}
	}
}

// torn tells whether the n-th batch, just read, is what a crash left of a write that nobody was told of.
func torn(s *segmentReader, n int64, found flaw) bool {
	_, _, state := s.entry(n)
	if state != entryMissing {
		return false
	}
	if found.problem != "" {
		return found.tail
	}
	return s.at == s.size
}

// accept takes the n-th batch of a segment if it is sound, is where it should be and is known to the index.
func (p *partition) accept(s *segmentReader, n, at int64, b kmsg.RecordBatch, found flaw) error {
	if found.problem != "" {
		return &DamageError{s.path, at, p.end, found.problem}
	}
	if b.FirstOffset != p.end {
		return &DamageError{s.path, at, p.end, fmt.Sprintf("has a batch of offset %d there", b.FirstOffset)}
	}
	epoch, transactional, state := s.entry(n)
	if state == entryMissing {
		return &DamageError{s.indexPath(), n * entrySize, p.end, "ends before the batches of its segment"}
	}
	if state == entryBad || epoch != b.PartitionLeaderEpoch || transactional != inTxn(b) {
		return &DamageError{s.indexPath(), n * entrySize, p.end, "has an entry that does not fit its batch"}
	}
	p.fold(b)
	return nil
}

// endSegment closes a segment of which the given bytes are sound, and says what of the rest is cut off.
func (p *partition) endSegment(s *segmentReader, kept segment, last bool) error {
	extra := s.index[min(kept.index, int64(len(s.index))):]
	if _, _, state := s.entry(kept.index / entrySize); state != entryMissing || !last && len(extra) > 0 {
		return &DamageError{s.path, s.size, p.end, "ends before the batches of its index"}
	}
	if kept.size < s.size || len(extra) > 0 || kept.size == 0 {
		p.cuts = append(p.cuts, cut{kept, kept.size < s.size})
	}
	if kept.size > 0 {
		p.segments = append(p.segments, kept)
	}
	return nil
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
