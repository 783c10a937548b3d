package timeline

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/refold/refold/streams/position"
)

// walker goes through the record batches of one partition, as they come from a broker. What it finds stands in
// memory that it uses again for the next batch.
// Source: https://kafka.apache.org/documentation/#recordbatch
type walker struct {
	decompress kgo.Decompressor
	place      position.Partition
	aborted    aborted

	plain []byte // of a batch, decompressed
	slab  []Record
	found []*Record
}

// headerSize is what a batch has before its records, and checkedFrom where the bytes begin that its checksum is of.
const (
	headerSize  = 61
	checkedFrom = 21
)

// header is what a batch says of its records.
type header struct {
	first, last        int64 // offsets
	attributes         int16
	firstTime, maxTime int64 // in milliseconds since 1970
	producer           int64
	records            int
}

// Bits of a batch's attributes.
const (
	attrCodec         = 0b111
	attrAppendTime    = 1 << 3
	attrTransactional = 1 << 4
	attrControl       = 1 << 5
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// headerOf reads the header of the batch that begins in; whole is nil where not all of it is there.
func headerOf(in []byte) (h header, whole []byte, err error) {
	size := 12 + int64(int32(binary.BigEndian.Uint32(in[8:])))
	if magic := in[16]; magic != 2 || size < headerSize {
		return h, nil, fmt.Errorf("%w: format %d, %d bytes", errBatch, magic, size)
	}
	if size > int64(len(in)) {
		return h, nil, nil
	}
	whole = in[:size]
	if sum := crc32.Checksum(whole[checkedFrom:], castagnoli); sum != binary.BigEndian.Uint32(whole[17:]) {
		return h, nil, fmt.Errorf("%w: its checksum is %08x, not %08x", errBatch, sum, whole[17:checkedFrom])
	}
	h.first = int64(binary.BigEndian.Uint64(whole))
	h.attributes = int16(binary.BigEndian.Uint16(whole[21:]))
	h.last = h.first + int64(int32(binary.BigEndian.Uint32(whole[23:])))
	h.firstTime = int64(binary.BigEndian.Uint64(whole[27:]))
	h.maxTime = int64(binary.BigEndian.Uint64(whole[35:]))
	h.producer = int64(binary.BigEndian.Uint64(whole[43:]))
	h.records = int(int32(binary.BigEndian.Uint32(whole[57:])))
	if h.records < 0 || h.last < h.first {
		return h, nil, fmt.Errorf("%w: %d records up to %d, from %d", errBatch, h.records, h.last, h.first)
	}
	return h, whole, nil
}

// records returns the records of a batch that are committed, from an offset on: none of a marker or of an
// aborted transaction.
func (w *walker) records(h header, whole []byte, from int64) ([]*Record, error) {
	control := h.attributes&attrControl != 0
	if h.last < from && !control || w.aborted.has(h) {
		return nil, nil
	}
	plain, err := w.decompressed(whole[headerSize:], h.attributes&attrCodec)
	if err != nil {
		return nil, fmt.Errorf("%w: decompress the one at %d: %w", errBatch, h.first, err)
	}
	if control {
		return nil, w.aborted.marker(h, plain)
	}
	if h.records > len(plain) {
		return nil, fmt.Errorf("%w: %d records in %d bytes at %d", errBatch, h.records, len(plain), h.first)
	}
	w.slab, w.found = slices.Grow(w.slab[:0], h.records)[:h.records], w.found[:0]
	for i := range w.slab {
		rec := &w.slab[i]
		if plain, err = w.record(h, plain, rec); err != nil {
			return nil, fmt.Errorf("%w: record %d of the one at %d: %w", errBatch, i, h.first, err)
		}
		if rec.Offset >= from {
			w.found = append(w.found, rec)
		}
	}
	return w.found, nil
}

// record reads one record and returns what follows it.
func (w *walker) record(h header, b []byte, rec *Record) ([]byte, error) {
	c := cursor{b: b}
	size := c.varint()
	if size < 1 || size > int64(len(c.b)) {
		return nil, errShort
	}
	rest := c.b[size:]
	c.b = c.b[1:size] // its attributes say nothing
	at, offset := h.firstTime+c.varint(), h.first+c.varint()
	if h.attributes&attrAppendTime != 0 {
		at = h.maxTime
	}
	// Not all of it is set anew: nothing else was set of the record that stood there before.
	rec.Topic, rec.Partition, rec.Offset, rec.Timestamp = w.place.Topic, w.place.Partition, offset, time.UnixMilli(at)
	rec.Key, rec.Value, rec.Headers = c.bytes(), c.bytes(), nil
	if n := c.count(); n > 0 {
		rec.Headers = c.headers(n)
	}
	if c.short || len(c.b) != 0 {
		return nil, errShort
	}
	return rest, nil
}

var errShort = fmt.Errorf("its fields do not fill its bytes")

// cursor reads the fields of a record. One that goes beyond the end is short from then on, and gives nothing.
type cursor struct {
	b     []byte
	short bool
}

func (c *cursor) varint() int64 {
	if len(c.b) > 0 && c.b[0] < 0x80 {
		v := int64(c.b[0]>>1) ^ -int64(c.b[0]&1)
		c.b = c.b[1:]
		return v
	}
	return c.longer()
}

// longer reads a number of more than one byte.
func (c *cursor) longer() int64 {
	v, n := binary.Varint(c.b)
	if n <= 0 {
		c.short, c.b = true, nil
		return 0
	}
	c.b = c.b[n:]
	return v
}

// bytes returns a field of bytes, nil where it is null.
func (c *cursor) bytes() []byte {
	n := c.varint()
	if n < 0 {
		return nil
	}
	if n > int64(len(c.b)) {
		c.short, c.b = true, nil
		return nil
	}
	out := c.b[:n:n]
	c.b = c.b[n:]
	return out
}

// count returns how many headers follow, each of which takes two bytes at least.
func (c *cursor) count() int64 {
	n := c.varint()
	if n < 0 || 2*n > int64(len(c.b)) {
		c.short, c.b = true, nil
		return 0
	}
	return n
}

func (c *cursor) headers(n int64) (out []kgo.RecordHeader) {
	for range n {
		out = append(out, kgo.RecordHeader{Key: string(c.bytes()), Value: c.bytes()})
	}
	return out
}

// aborted are the transactions of one answer that were aborted, by producer: where each begins, in order.
type aborted map[int64][]int64

// note takes what an answer says of its transactions.
func (a *aborted) note(transactions []kmsg.FetchResponseTopicPartitionAbortedTransaction) {
	*a = make(aborted, len(transactions))
	for _, t := range transactions {
		(*a)[t.ProducerID] = append((*a)[t.ProducerID], t.FirstOffset)
	}
	for _, begins := range *a {
		slices.Sort(begins)
	}
}

// has tells whether the records of a batch were aborted.
func (a aborted) has(h header) bool {
	const data = attrTransactional
	begins := a[h.producer]
	return h.attributes&(attrTransactional|attrControl) == data && len(begins) > 0 && h.first >= begins[0]
}

// marker ends a transaction of a producer where a batch is the marker of its abortion. The marker's record has a
// key that is its version and its kind, 0 for an abortion.
func (a aborted) marker(h header, plain []byte) error {
	var rec Record
	if _, err := new(walker).record(h, plain, &rec); err != nil || len(rec.Key) < 4 {
		return fmt.Errorf("%w: the marker at %d", errBatch, h.first)
	}
	if begins := a[h.producer]; binary.BigEndian.Uint16(rec.Key[2:]) == 0 && len(begins) > 0 && begins[0] <= h.first {
		a[h.producer] = begins[1:]
	}
	return nil
}
