package broker

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// repair makes the folder consistent for ever, and such that kfake reads from it exactly what the check saw. It may be
// killed anywhere: what it has done is sound by itself, and the next start does the rest.
func (f *folder) repair() error {
	f.starts.keep(f.topics)
	if err := os.MkdirAll(filepath.Join(f.dir, partitionsDir), 0o755); err != nil {
		return err
	}
	// What kfake carries over a clean stop goes on with transactions that are about to be aborted here.
	if err := remove(filepath.Join(f.dir, sessionFile)); err != nil {
		return err
	}
	kept := map[[16]byte][]int64{}
	for _, p := range f.partitions {
		if err := p.repair(); err != nil {
			return fmt.Errorf("%s/%d: %w", p.topic, p.number, err)
		}
		kept[p.id] = append(kept[p.id], p.end)
	}
	f.ends = ends{partitions: kept, groups: f.groups.size}
	if err := errors.Join(f.fence(), f.groups.cutTail()); err != nil {
		return err
	}
	return syncTree(f.dir)
}

func (p *partition) repair() error {
	if err := os.MkdirAll(p.dir, 0o755); err != nil {
		return err
	}
	for _, c := range p.cuts {
		if err := c.apply(p.dir); err != nil {
			return err
		}
	}
	for _, id := range slices.Sorted(maps.Keys(p.open)) {
		if err := p.append(marker(id, p.open[id].epoch)); err != nil {
			return fmt.Errorf("abort the open transaction of producer %d: %w", id, err)
		}
	}
	if len(p.segments) == 0 && p.end > 0 {
		// kfake begins an empty partition at zero. A marker in the last place before the log start, where nobody reads,
		// keeps the end.
		p.end--
		if err := p.append(marker(-1, 0)); err != nil {
			return fmt.Errorf("keep the end of an empty log: %w", err)
		}
	}
	return p.writeSnapshot()
}

// apply shortens the index first: a batch without an entry is torn, an entry without a batch is damage.
func (c cut) apply(dir string) error {
	index, data := segmentPath(dir, c.base, indexSuffix), segmentPath(dir, c.base, segmentSuffix)
	if err := errors.Join(truncate(index, c.index), truncate(data, c.size)); err != nil {
		return fmt.Errorf("cut torn batch: %w", err)
	}
	if c.size > 0 {
		return nil
	}
	if err := remove(data); err != nil {
		return err
	}
	return remove(index)
}

func truncate(path string, size int64) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	return errors.Join(f.Truncate(size), f.Sync(), f.Close())
}

func remove(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// append writes one batch at the end of the partition, as kfake would: segment, then index, each synchronised, so that
// a kill in between leaves a torn batch.
func (p *partition) append(b kmsg.RecordBatch) error {
	if len(p.segments) == 0 {
		p.segments = append(p.segments, segment{base: p.end})
	}
	last := &p.segments[len(p.segments)-1]
	data, err := openAppend(segmentPath(p.dir, last.base, segmentSuffix))
	if err != nil {
		return err
	}
	defer data.Close()
	index, err := openAppend(segmentPath(p.dir, last.base, indexSuffix))
	if err != nil {
		return err
	}
	defer index.Close()

	b.FirstOffset, b.PartitionLeaderEpoch = p.end, p.epoch
	b.FirstTimestamp, b.MaxTimestamp = p.timestamp, p.timestamp
	raw := encode(&b)
	if err := errors.Join(write(data, raw), write(index, indexEntry(b))); err != nil {
		return err
	}
	last.size += int64(len(raw))
	last.index += entrySize
	p.fold(b)
	return nil
}

func openAppend(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
}

func write(f *os.File, b []byte) error {
	if _, err := f.Write(b); err != nil {
		return err
	}
	return f.Sync()
}

// marker is the control batch that aborts what a producer has open.
func marker(producer int64, epoch int16) kmsg.RecordBatch {
	key := kmsg.ControlRecordKey{Type: kmsg.ControlRecordKeyTypeAbort}
	value := kmsg.EndTxnMarker{}
	r := kmsg.Record{Key: key.AppendTo(nil), Value: value.AppendTo(nil)}
	r.Length = int32(len(r.AppendTo(nil)) - 1) // the length itself takes one byte
	return kmsg.RecordBatch{
		Magic:         batchMagic,
		Attributes:    attrTxn | attrControl,
		ProducerID:    producer,
		ProducerEpoch: epoch,
		FirstSequence: -1,
		NumRecords:    1,
		Records:       r.AppendTo(nil),
	}
}

func encode(b *kmsg.RecordBatch) []byte {
	b.Length = int32(batchHeader - lengthEnd + len(b.Records))
	raw := b.AppendTo(nil)
	b.CRC = int32(checksum(raw[crcEnd:]))
	binary.BigEndian.PutUint32(raw[crcStart:], uint32(b.CRC))
	return raw
}

// snapshot is kfake's snapshot.json. Without one kfake replays a partition with all its batches in memory, takes the
// log start to be the first batch, and guesses how transactions ended.
type snapshot struct {
	Version   int               `json:"version"`
	End       int64             `json:"high_watermark"`
	Stable    int64             `json:"last_stable_offset"`
	Start     int64             `json:"log_start_offset"`
	Epoch     int32             `json:"epoch"`
	Timestamp int64             `json:"max_timestamp"`
	Aborted   []abortedTxn      `json:"aborted_txns,omitempty"`
	Segments  []snapshotSegment `json:"segments"`
}

type snapshotSegment struct {
	Base int64 `json:"base_offset"`
	Size int64 `json:"size"`
}

func (p *partition) writeSnapshot() error {
	s := snapshot{
		Version: formatVersion, End: p.end, Stable: p.end, Start: p.start, Epoch: p.epoch, Timestamp: p.timestamp,
		Aborted: slices.DeleteFunc(p.aborted, func(t abortedTxn) bool { return t.Marker < p.start }),
	}
	for _, g := range p.segments {
		s.Segments = append(s.Segments, snapshotSegment{g.base, g.size})
	}
	return writeJSON(filepath.Join(p.dir, snapshotFile), s)
}
