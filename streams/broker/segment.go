package broker

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// A segment is two files. BASE.dat holds record batches as they were sent, with their offsets filled in; BASE.idx
// holds one entry of 15 bytes per batch: version, checksum, leader epoch, timestamp, flags.
const (
	batchHeader = 61 // bytes before the records
	lengthEnd   = 12 // bytes of a batch that its length field does not count
	crcStart    = 17
	crcEnd      = 21 // what the checksum covers begins here
	batchMagic  = 2

	entrySize  = 15
	entryInTxn = 1 // flag: a record of a transaction

	attrTxn     = 0x10
	attrControl = 0x20
)

func checksum(b []byte) uint32 { return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) }

// segmentReader reads the batches of a segment one after the other, in memory of one batch.
type segmentReader struct {
	data  *os.File
	in    *bufio.Reader
	path  string
	size  int64
	at    int64
	buf   []byte
	index []byte
	empty bool // there is no index file
}

func openSegment(dir string, base int64) (*segmentReader, error) {
	s := &segmentReader{path: segmentPath(dir, base, segmentSuffix)}
	var err error
	s.index, err = os.ReadFile(segmentPath(dir, base, indexSuffix))
	if errors.Is(err, os.ErrNotExist) {
		s.empty, err = true, nil
	}
	if err != nil {
		return nil, err
	}
	if s.data, err = os.Open(s.path); err != nil {
		return nil, err
	}
	info, err := s.data.Stat()
	if err != nil {
		return nil, errors.Join(err, s.data.Close())
	}
	s.size = info.Size()
	s.in = bufio.NewReaderSize(s.data, 256<<10)
	return s, nil
}

func segmentPath(dir string, base int64, suffix string) string {
	return filepath.Join(dir, fmt.Sprintf("%d%s", base, suffix))
}

func (s *segmentReader) indexPath() string {
	return strings.TrimSuffix(s.path, segmentSuffix) + indexSuffix
}

// next reads the batch at s.at, and moves past it if it is sound; else it says what is wrong with it. At the end of the
// file it returns io.EOF.
func (s *segmentReader) next() (b kmsg.RecordBatch, problem string, err error) {
	left := s.size - s.at
	if left == 0 {
		return b, "", io.EOF
	}
	if left < batchHeader {
		return b, "ends inside a batch", nil
	}
	head, err := s.in.Peek(lengthEnd)
	if err != nil {
		return b, "", err
	}
	size := lengthEnd + int64(int32(binary.BigEndian.Uint32(head[8:])))
	switch {
	case size < batchHeader:
		return b, "has a batch without a plausible length", nil
	case size > left:
		return b, "ends inside a batch", nil
	}
	if int64(cap(s.buf)) < size {
		s.buf = make([]byte, size)
	}
	s.buf = s.buf[:size]
	if _, err := io.ReadFull(s.in, s.buf); err != nil {
		return b, "", err
	}
	if checksum(s.buf[crcEnd:]) != binary.BigEndian.Uint32(s.buf[crcStart:]) {
		return b, "has a batch whose bytes do not match its checksum", nil
	}
	if err := b.UnsafeReadFrom(s.buf); err != nil {
		return b, "has a batch that cannot be read: " + err.Error(), nil
	}
	if b.Magic != batchMagic || b.LastOffsetDelta < 0 {
		return b, "has a batch of a kind that is never written", nil
	}
	s.at += size
	return b, "", nil
}

// entryState is what the index says of a batch.
type entryState int

const (
	entryMissing entryState = iota // nothing, or the beginning of an entry
	entrySound
	entryBad
)

// entry returns what the index says of the n-th batch.
func (s *segmentReader) entry(n int64) (epoch int32, inTxn bool, state entryState) {
	rest := s.index[min(n*entrySize, int64(len(s.index))):]
	if len(rest) < entrySize {
		return 0, false, entryMissing
	}
	e := rest[:entrySize]
	if e[0] != formatVersion || e[1] != byte(checksum(e[2:])) {
		return 0, false, entryBad
	}
	return int32(binary.LittleEndian.Uint32(e[2:])), e[14]&entryInTxn != 0, entrySound
}

// indexEntry is the entry of a batch, as kfake writes it. It never trusts the timestamp, so it is left out.
func indexEntry(b kmsg.RecordBatch) []byte {
	e := make([]byte, entrySize)
	e[0] = formatVersion
	binary.LittleEndian.PutUint32(e[2:], uint32(b.PartitionLeaderEpoch))
	if inTxn(b) {
		e[14] = entryInTxn
	}
	e[1] = byte(checksum(e[2:]))
	return e
}

// inTxn tells records of a transaction. The markers that end one are not in it.
func inTxn(b kmsg.RecordBatch) bool { return b.Attributes&attrTxn != 0 && !isControl(b) }

func isControl(b kmsg.RecordBatch) bool { return b.Attributes&attrControl != 0 }
