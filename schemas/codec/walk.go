package codec

import (
	"encoding/binary"
	"errors"
	"fmt"
	"reflect"
	"unsafe"

	"github.com/twmb/avro"
)

// errMalformed is wrapped where bytes are not what their schema says.
var errMalformed = errors.New("the bytes are not those of its schema")

// kind is what a step does. The first three skip, and n of them in a row are one step.
type kind uint8

const (
	skipLong kind = iota
	skipText
	skipBytes
	skipList
	readLong
	readBoolean
	readText
	readBytes
	readFixed
	readEnum
	readList
	setText
	setLong
)

// step is one step through a record: it skips n values, or reads one to where it is kept. The places belong to
// one struct, for which the plan was made.
type step struct {
	kind    kind
	n       int
	long    *int64
	preset  int64
	text    *string
	symbols []string
	boolean *bool
	bytes   *[]byte
	fixed   []byte
	list    *list
}

// list reads an array of records into a slice of structs, or skips it, by the steps of each item.
type list struct {
	writer, reader *avro.SchemaNode
	slice          reflect.Value // that is filled
	backing        reflect.Value // what the items are kept in; the slice may have been cut since
	items          [][]step
}

// grow makes room for more items.
func (l *list) grow(n int) error {
	backing := reflect.MakeSlice(l.slice.Type(), n, n)
	if l.backing.IsValid() {
		reflect.Copy(backing, l.backing)
	}
	l.backing, l.items = backing, make([][]step, n)
	for i := range l.items {
		var err error
		if l.items[i], err = planOf(l.writer, l.reader, backing.Index(i)); err != nil {
			return err
		}
	}
	return nil
}

// walk takes the steps through b and returns what is left of it. Texts and bytes point into it.
func walk(steps []step, b []byte) (rest []byte, err error) {
	for i := range steps {
		s := &steps[i]
		switch s.kind {
		case skipLong:
			b, err = passLongs(b, s.n)
		case skipText:
			b, err = passTexts(b, s.n)
		case skipBytes:
			_, b, err = take(b, int64(s.n))
		case readLong:
			*s.long, b, err = long(b)
		case readText:
			var raw []byte
			raw, b, err = text(b)
			*s.text = unsafe.String(unsafe.SliceData(raw), len(raw))
		case setText:
			*s.text = s.symbols[0]
		case setLong:
			*s.long = s.preset
		default:
			b, err = s.rare(b)
		}
		if err != nil {
			return nil, err
		}
	}
	return b, nil
}

// rare is the rest of walk.
func (s *step) rare(b []byte) (rest []byte, err error) {
	var raw []byte
	switch s.kind {
	case readBytes:
		*s.bytes, b, err = text(b)
	case readBoolean:
		if raw, b, err = take(b, 1); err == nil {
			*s.boolean = raw[0] == 1
		}
	case readFixed:
		raw, b, err = take(b, int64(len(s.fixed)))
		copy(s.fixed, raw)
	case readEnum:
		var n int64
		if n, b, err = long(b); err == nil && (n < 0 || n >= int64(len(s.symbols))) {
			return nil, fmt.Errorf("symbol %d of %d: %w", n, len(s.symbols), errMalformed)
		}
		if err == nil {
			*s.text = s.symbols[n]
		}
	case readList:
		var n int
		if b, n, err = s.list.walk(b); err == nil {
			s.list.slice.Set(s.list.backing)
			s.list.slice.SetLen(n)
		}
	case skipList:
		b, _, err = s.list.walk(b)
	default:
		panic(fmt.Sprintf("no step is of kind %d", s.kind))
	}
	return b, err
}

// walk goes through an array, which comes in blocks, and returns how many items it has.
func (l *list) walk(b []byte) (rest []byte, n int, err error) {
	for {
		var count int64
		if count, b, err = long(b); err != nil || count == 0 {
			return b, n, err
		}
		if count < 0 { // the block's size in bytes follows
			count = -count
			if b, err = passLongs(b, 1); err != nil {
				return nil, 0, err
			}
		}
		if count < 0 || count > int64(len(b)) && count > maxEmpty {
			return nil, 0, fmt.Errorf("%d items in %d bytes: %w", count, len(b), errMalformed)
		}
		for range count {
			if b, err = l.item(b, n); err != nil {
				return nil, 0, err
			}
			n++
		}
	}
}

// maxEmpty bounds the items of a block that take no byte.
const maxEmpty = 1 << 10

func (l *list) item(b []byte, n int) ([]byte, error) {
	if !l.slice.IsValid() {
		return walk(l.items[0], b)
	}
	if n == len(l.items) {
		if err := l.grow(2 * n); err != nil {
			return nil, err
		}
	}
	return walk(l.items[n], b)
}

func long(b []byte) (int64, []byte, error) {
	if len(b) > 0 && b[0] < 0x80 {
		return int64(b[0]>>1) ^ -int64(b[0]&1), b[1:], nil
	}
	v, n := binary.Varint(b)
	if n <= 0 {
		return 0, nil, fmt.Errorf("number in %d bytes: %w", len(b), errMalformed)
	}
	return v, b[n:], nil
}

func text(b []byte) (raw, rest []byte, err error) {
	n, b, err := long(b)
	if err != nil {
		return nil, nil, err
	}
	return take(b, n)
}

func take(b []byte, n int64) (taken, rest []byte, err error) {
	if n < 0 || n > int64(len(b)) {
		return nil, nil, fmt.Errorf("%d of %d bytes: %w", n, len(b), errMalformed)
	}
	return b[:n:n], b[n:], nil
}

func passLongs(b []byte, n int) ([]byte, error) {
	for range n {
		if len(b) > 0 && b[0] < 0x80 {
			b = b[1:]
			continue
		}
		var err error
		if _, b, err = long(b); err != nil {
			return nil, err
		}
	}
	return b, nil
}

func passTexts(b []byte, n int) ([]byte, error) {
	for range n {
		if len(b) > 0 && b[0] < 0x80 && b[0]&1 == 0 && int(b[0]>>1) < len(b) {
			b = b[1+b[0]>>1:]
			continue
		}
		var err error
		if _, b, err = text(b); err != nil {
			return nil, err
		}
	}
	return b, nil
}
