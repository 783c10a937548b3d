package codec

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"reflect"
	"unsafe"

	"github.com/twmb/avro"
)

// errMalformed is wrapped where bytes are not what their schema says.
var errMalformed = errors.New("the bytes are not those of its schema")

// kind is what a step does. The first two skip, and several of one of them in a row are one step.
type kind uint8

const (
	skipSome kind = iota // numbers and texts
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
	repeat
)

// step is one step through a record: it skips some values, or reads one to where it is kept. The places belong to
// the structs for which the plan was made. What few steps have is apart, so that a plan takes few lines of cache.
type step struct {
	kind kind
	n    int // of bytes
	long *int64
	text *string
	*rare
}

// rare is what few steps have.
type rare struct {
	texts   []bool // which of the values that are skipped are texts
	preset  int64
	symbols []string
	boolean *bool
	bytes   *[]byte
	fixed   []byte
	list    *list
	repeat  func() // puts what was read before to another place, too
}

// list reads an array of records into slices of structs, or skips it, by the steps of each item.
type list struct {
	writer, reader *avro.SchemaNode
	slices         []sliced
	items          [][]step
}

// sliced is a slice that is filled.
type sliced struct {
	slice   reflect.Value
	header  *header       // of the slice
	backing reflect.Value // what the items are kept in; the slice may have been cut since
	data    unsafe.Pointer
}

// header is what the runtime keeps of a slice.
type header struct {
	data     unsafe.Pointer
	len, cap int
}

// grow makes room for more items.
func (l *list) grow(n int) error {
	for k := range l.slices {
		s := &l.slices[k]
		backing := reflect.MakeSlice(s.slice.Type(), n, n)
		if s.backing.IsValid() {
			reflect.Copy(backing, s.backing)
		}
		s.backing, s.data = backing, backing.UnsafePointer()
	}
	l.items = make([][]step, n)
	for i := range l.items {
		into := make([]reflect.Value, len(l.slices))
		for k := range into {
			into[k] = l.slices[k].backing.Index(i)
		}
		var err error
		if l.items[i], err = planOf(l.writer, l.reader, into); err != nil {
			return err
		}
	}
	return nil
}

// short is where a walk is that went beyond the end, or found what cannot be.
const short = -1

// walk takes the steps through b from a place on and returns where it comes to. Texts and bytes point into b.
func walk(steps []step, b []byte, at int) int {
	for i := range steps {
		s := &steps[i]
		switch s.kind {
		case skipSome:
			at = pass(b, at, s.texts)
		case skipBytes:
			_, at = take(b, at, int64(s.n))
		case readLong:
			*s.long, at = long(b, at)
		case readText:
			var raw []byte
			raw, at = text(b, at)
			*s.text = unsafe.String(unsafe.SliceData(raw), len(raw))
		case repeat:
			s.repeat()
		default:
			at = s.other(b, at)
		}
		if at < 0 {
			return short
		}
	}
	return at
}

// other is the rest of walk.
func (s *step) other(b []byte, at int) int {
	var raw []byte
	switch s.kind {
	case readBytes:
		*s.bytes, at = text(b, at)
	case readBoolean:
		raw, at = take(b, at, 1)
		*s.boolean = len(raw) > 0 && raw[0] == 1
	case readFixed:
		raw, at = take(b, at, int64(len(s.fixed)))
		copy(s.fixed, raw)
	case readEnum:
		var n int64
		if n, at = long(b, at); at < 0 || n < 0 || n >= int64(len(s.symbols)) {
			return short
		}
		*s.text = s.symbols[n]
	case readList:
		var n int
		n, at = s.list.walk(b, at)
		for k := range s.list.slices {
			one := &s.list.slices[k]
			*one.header = header{one.data, n, len(s.list.items)}
		}
	case skipList:
		_, at = s.list.walk(b, at)
	case setText:
		*s.text = s.symbols[0]
	case setLong:
		*s.long = s.preset
	default:
		panic(fmt.Sprintf("no step is of kind %d", s.kind))
	}
	return at
}

// walk goes through an array, which comes in blocks, and returns how many items it has.
func (l *list) walk(b []byte, at int) (n, end int) {
	for {
		var count int64
		if count, at = long(b, at); at < 0 || count == 0 {
			return n, at
		}
		if count < 0 { // the block's size in bytes follows
			count = -count
			if _, at = long(b, at); at < 0 {
				return 0, short
			}
		}
		if count < 0 || count > int64(len(b)-at) && count > maxEmpty {
			return 0, short
		}
		for range count {
			if at = l.item(b, at, n); at < 0 {
				return 0, short
			}
			n++
		}
	}
}

// maxEmpty bounds the items of a block that take no byte.
const maxEmpty = 1 << 10

func (l *list) item(b []byte, at, n int) int {
	if len(l.slices) == 0 {
		return walk(l.items[0], b, at)
	}
	if n == len(l.items) {
		if err := l.grow(2 * n); err != nil {
			panic(fmt.Sprintf("the plan of an item is not that of the item before: %v", err))
		}
	}
	return walk(l.items[n], b, at)
}

// long reads a number.
func long(b []byte, at int) (int64, int) {
	if uint(at) < uint(len(b)) && b[at] < 0x80 {
		return int64(b[at]>>1) ^ -int64(b[at]&1), at + 1
	}
	return longer(b, at)
}

// continued are the bits of eight bytes that say that a number goes on.
const continued = 0x8080808080808080

// longer reads a number of more than one byte: one of up to eight without a loop, because times take eight.
func longer(b []byte, at int) (int64, int) {
	if at >= 0 && at+8 <= len(b) {
		x := binary.LittleEndian.Uint64(b[at:])
		if ends := ^x & continued; ends != 0 {
			x &= (ends ^ (ends - 1)) &^ continued
			x = x&0x007f007f007f007f | x&0x7f007f007f007f00>>1
			x = x&0x00003fff00003fff | x&0x3fff00003fff0000>>2
			x = x&0x000000000fffffff | x&0x0fffffff00000000>>4
			return int64(x>>1) ^ -int64(x&1), at + bits.TrailingZeros64(ends)/8 + 1
		}
	}
	if at < 0 || at >= len(b) {
		return 0, short
	}
	v, n := binary.Varint(b[at:])
	if n <= 0 {
		return 0, short
	}
	return v, at + n
}

// text reads a number, and as many bytes.
func text(b []byte, at int) ([]byte, int) {
	n, at := long(b, at)
	return take(b, at, n)
}

func take(b []byte, at int, n int64) ([]byte, int) {
	if at < 0 || n < 0 || n > int64(len(b)-at) {
		return nil, short
	}
	end := at + int(n)
	return b[at:end:end], end
}

// pass skips numbers and texts. Most are zero, or empty, which is one byte of either.
func pass(b []byte, at int, texts []bool) int {
	for _, isText := range texts {
		if uint(at) >= uint(len(b)) {
			return short
		}
		switch c := b[at]; {
		case c == 0 || c < 0x80 && !isText:
			at++
		case c < 0x80 && c&1 == 0:
			at += 1 + int(c>>1) // beyond the end, maybe, which the next step finds
		case isText:
			_, at = text(b, at)
		default:
			_, at = longer(b, at)
		}
	}
	return at
}
