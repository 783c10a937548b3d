package projection

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"slices"
	"strings"

	"github.com/refold/refold/schemas/codec"
	"github.com/refold/refold/streams/timeline"
)

// ErrStored is wrapped where a stored row is not in the form that this build writes.
var ErrStored = errors.New("stored row cannot be read")

// slot is a row in memory.
type slot[R any] struct {
	key    string
	row    R
	offset int64 // the position of the last record folded into it; -1 before the first
	cut    int32 // where the partition key ends
	dirty  bool
}

// place returns the key in its parts.
func (s *slot[R]) place() Key { return Key{Partition: s.key[:s.cut], Sort: s.key[s.cut+1:]} }

// rows are the rows of one task that are in memory, over those that are stored.
//
// They are of two ages, so that what is used often stays and the rest goes without being looked at: held are
// the rows used since the last time that rows were forgotten, older those that were used since the time
// before, which are unchanged and are forgotten next. A row moves from older to held by being copied, so that
// no slab lives on for the sake of a few rows.
type rows[R any] struct {
	codec codec.Row[R]
	base  Base
	held  index[R]
	older index[R]
	slab  []slot[R]
	names strings.Builder // the keys of the slab
	dirty []*slot[R]
	// wanted are the only rows that are changed; nil is all.
	wanted func(Key) bool
	// skip says which rows are left alone at which records and their positions; nil is none.
	skip func(key string, rec *timeline.Record, position int64) bool
	// shift is by how much the position of the record that is folded is more than its offset; 0 where there is one source.
	shift   int64
	emitter emitter
}

// A slab has so many rows, and usually room for their keys.
const (
	slabSize  = 256
	nameBytes = 32 * slabSize
)

// row returns the row of a key, from memory or the base or new. One that is fresh is not in the base.
func (r *rows[R]) row(key []byte, fresh bool) (*slot[R], error) {
	hash := r.held.hash(key)
	if s := r.held.find(hash, key); s != nil {
		return s, nil
	}
	if s := r.older.find(hash, key); s != nil {
		return r.hold(hash, key, *s), nil
	}
	s := slot[R]{offset: -1}
	if !fresh {
		stored, err := r.base.Load(key)
		if err == nil && stored != nil {
			s.offset, err = decodeRow(r.codec, stored, &s.row)
		}
		if err != nil {
			return nil, fmt.Errorf("load row %q: %w", key, err)
		}
	}
	s.cut = int32(bytes.IndexByte(key, 0))
	return r.hold(hash, key, s), nil
}

// name returns a key to be kept. Keys stand together, so that there are not as many pieces of memory as rows.
func (r *rows[R]) name(key []byte) string {
	if r.names.Cap()-r.names.Len() < len(key) {
		r.names.Reset()
		r.names.Grow(max(nameBytes, len(key)))
	}
	begin := r.names.Len()
	r.names.Write(key)
	return r.names.String()[begin:]
}

// hold puts the row of a key into memory.
func (r *rows[R]) hold(hash uint64, key []byte, s slot[R]) *slot[R] {
	s.key = r.name(key)
	if len(r.slab) == 0 {
		r.slab = make([]slot[R], slabSize)
	}
	at := &r.slab[0]
	*at = s
	r.slab = r.slab[1:]
	r.held.put(hash, at)
	return at
}

// age makes what is held older, and holds nothing.
func (r *rows[R]) age() {
	r.older, r.held, r.slab = r.held, newIndex[R](r.held.seed), nil
	r.names.Reset()
}

func (r *rows[R]) touch(s *slot[R]) {
	if !s.dirty {
		s.dirty = true
		r.dirty = append(r.dirty, s)
	}
}

// clean forgets which rows have changed, and lets go of them.
func (r *rows[R]) clean() {
	clear(r.dirty)
	r.dirty = r.dirty[:0]
}

// A stored row is the version of this form, the position it was folded to, and the row in Avro.
const form = 1

func appendRow[R any](dst []byte, c codec.Row[R], s *slot[R]) ([]byte, error) {
	dst = append(dst, form)
	dst = binary.AppendUvarint(dst, uint64(s.offset))
	return c.Append(dst, &s.row)
}

func decodeRow[R any](c codec.Row[R], b []byte, row *R) (int64, error) {
	offset, n := StoredOffset(b)
	if n <= 0 {
		return 0, fmt.Errorf("%w: %d bytes", ErrStored, len(b))
	}
	if err := c.Decode(b[n:], row); err != nil {
		return 0, fmt.Errorf("%w: %w", ErrStored, err)
	}
	return offset, nil
}

// StoredOffset returns the position that a stored row was folded to, the offset where there is one source, and where its Avro body begins; the
// second is 0 where the bytes are not a stored row.
func StoredOffset(b []byte) (offset int64, body int) {
	if len(b) == 0 || b[0] != form {
		return 0, 0
	}
	v, n := binary.Uvarint(b[1:])
	if n <= 0 {
		return 0, 0
	}
	return int64(v), 1 + n
}

// Decode fills row from its stored form and returns the offset it was folded to.
func Decode[R any](c codec.Row[R], stored []byte, row *R) (int64, error) {
	return decodeRow(c, stored, row)
}

func text[R any](c codec.Row[R], stored []byte) (string, error) {
	var row R
	if _, err := decodeRow(c, stored, &row); err != nil {
		return "", err
	}
	b, err := json.Marshal(row)
	return string(b), err
}

// folder implements Folder.
type folder[R any] struct {
	codec *codec.Codec
	key   []byte
	binds map[string]bind[R]
	// known remembers what to do with records of a schema id.
	known map[int]handling
	rows  rows[R]
	buf   []byte
}

// bind makes what reads the fields of an event and what folds them, for records of a schema.
type bind[R any] func(*codec.Schema, *rows[R]) (codec.Fields, func(*timeline.Record) error)

func newFolder[R any](c *codec.Codec, row codec.Row[R], base Base, handlers []Handler[R]) *folder[R] {
	f := &folder[R]{
		codec: c,
		binds: make(map[string]bind[R]),
		known: make(map[int]handling),
		rows:  rows[R]{codec: row, base: base, held: newIndex[R](maphash.MakeSeed())},
	}
	for _, h := range handlers {
		f.binds[h.event] = h.bind
	}
	return f
}

func (f *folder[R]) Fold(rec *timeline.Record) error { return f.FoldAt(rec, rec.Offset) }

func (f *folder[R]) FoldAt(rec *timeline.Record, position int64) error {
	id, err := codec.SchemaID(rec.Value)
	if err != nil {
		return err
	}
	h, err := f.handling(id)
	if err != nil || h.fields == nil {
		return err
	}
	if err := h.fields.Fill(h.schema, rec.Value); err != nil {
		return err
	}
	f.rows.shift = position - rec.Offset
	return h.fold(rec)
}

func (f *folder[R]) Changed(fn func(key, value []byte) error) error {
	for _, s := range f.inOrder() {
		var err error
		if f.buf, err = appendRow(f.buf[:0], f.rows.codec, s.slot); err != nil {
			return err
		}
		f.key = append(f.key[:0], s.slot.key...)
		if err := fn(f.key, f.buf); err != nil {
			return err
		}
		s.slot.dirty = false
	}
	f.rows.clean()
	return nil
}

// ordered is a row that is put into order: the beginning of its key stands beside it, so that most rows are
// compared without a look at them.
type ordered[R any] struct {
	beginning uint64
	slot      *slot[R]
}

// inOrder returns the changed rows in order of their keys.
func (f *folder[R]) inOrder() []ordered[R] {
	rows := make([]ordered[R], len(f.rows.dirty))
	for i, s := range f.rows.dirty {
		var b [8]byte
		copy(b[:], s.key)
		rows[i] = ordered[R]{binary.BigEndian.Uint64(b[:]), s}
	}
	slices.SortFunc(rows, func(a, b ordered[R]) int {
		if a.beginning != b.beginning {
			return cmp.Compare(a.beginning, b.beginning)
		}
		return strings.Compare(a.slot.key, b.slot.key)
	})
	return rows
}

func (f *folder[R]) Emit(sink func(Effect) error) { f.rows.emitter.sink = sink }

func (f *folder[R]) Skip(fn func(key string, rec *timeline.Record, position int64) bool) {
	f.rows.skip = fn
}

func (f *folder[R]) Dirty() int { return len(f.rows.dirty) }

func (f *folder[R]) Len() int { return f.rows.held.n }

func (f *folder[R]) Shrink() {
	if len(f.rows.dirty) == 0 {
		f.rows.age()
	}
}

func (f *folder[R]) Stored(key []byte) ([]byte, error) {
	hash := f.rows.held.hash(key)
	s := f.rows.held.find(hash, key)
	if s == nil {
		s = f.rows.older.find(hash, key)
	}
	if s == nil {
		return f.rows.base.Load(key)
	}
	if s.offset < 0 {
		return nil, nil
	}
	return appendRow(nil, f.rows.codec, s)
}

func (f *folder[R]) Forget(offset int64) {
	f.rows.age()
	for _, e := range f.rows.older.entries {
		if e.slot != nil && e.slot.offset > offset {
			f.key = append(f.key[:0], e.slot.key...)
			f.rows.hold(e.hash, f.key, *e.slot)
		}
	}
	f.rows.clean()
}
