package codec

import (
	"encoding"
	"encoding/binary"
	"reflect"
	"strings"
	"unsafe"

	"github.com/twmb/avro"
)

// write appends one value of a row: the other way round of a step. A plan of them is made once for a type, and
// goes through any value of it by the places of its fields.
type write struct {
	kind   writeKind
	at     uintptr // of the field in its struct
	n      uintptr // the bytes of a fixed value, or of an item in memory
	fields []write // of an item, or of what a pointer points to
}

type writeKind uint8

const (
	writeLong writeKind = iota
	writeBoolean
	writeText
	writeBytes
	writeFixed
	writeList
	writeOptional
)

// writesOf returns the writes of a struct whose schema was inferred from it.
func writesOf(n *avro.SchemaNode, t reflect.Type, at uintptr) (out []write, err error) {
	if n.Type != "record" || t.Kind() != reflect.Struct || writesItself(t) {
		return nil, errNoPlan{}
	}
	named := make(map[string]reflect.StructField)
	for _, f := range reflect.VisibleFields(t) {
		name, _, _ := strings.Cut(f.Tag.Get("avro"), ",")
		if len(f.Index) == 1 {
			named[name] = f
		}
	}
	for i := range n.Fields {
		f, ok := named[n.Fields[i].Name]
		if !ok {
			return nil, errNoPlan{} // a field of an embedded struct, say
		}
		writes, err := writesOfValue(&n.Fields[i].Type, f.Type, at+f.Offset)
		if err != nil {
			return nil, err
		}
		out = append(out, writes...)
	}
	return out, nil
}

func writesOfValue(n *avro.SchemaNode, t reflect.Type, at uintptr) ([]write, error) {
	if writesItself(t) {
		return nil, errNoPlan{}
	}
	is := func(avroType string, kind reflect.Kind) bool { return n.Type == avroType && t.Kind() == kind }
	w := write{at: at}
	switch {
	case n.Type == "record":
		return writesOf(n, t, at)
	case is("long", reflect.Int64):
		w.kind = writeLong
	case is("boolean", reflect.Bool):
		w.kind = writeBoolean
	case is("string", reflect.String) && n.LogicalType == "":
		w.kind = writeText
	case is("bytes", reflect.Slice) && t.Elem().Kind() == reflect.Uint8 && n.LogicalType == "":
		w.kind = writeBytes
	case is("fixed", reflect.Array) && t.Elem().Kind() == reflect.Uint8 && t.Len() == n.Size && n.LogicalType == "":
		w.kind, w.n = writeFixed, uintptr(n.Size)
	case is("array", reflect.Slice):
		return holding(writeList, at, n.Items, t.Elem())
	case is("union", reflect.Pointer) && len(n.Branches) == 2 && n.Branches[0].Type == "null":
		return holding(writeOptional, at, &n.Branches[1], t.Elem())
	default:
		return nil, errNoPlan{}
	}
	return []write{w}, nil
}

// holding returns the write of what other values lie in.
func holding(kind writeKind, at uintptr, n *avro.SchemaNode, t reflect.Type) ([]write, error) {
	fields, err := writesOfValue(n, t, 0)
	return []write{{kind: kind, at: at, n: t.Size(), fields: fields}}, err
}

// writesItself tells whether values of a type are written by their own methods.
func writesItself(t reflect.Type) bool {
	p := reflect.PointerTo(t)
	return p.Implements(reflect.TypeFor[encoding.TextMarshaler]()) || p.Implements(reflect.TypeFor[encoding.BinaryMarshaler]()) ||
		p.Implements(reflect.TypeFor[encoding.TextAppender]())
}

// appendAll appends the values of a struct.
func appendAll(dst []byte, writes []write, of unsafe.Pointer) []byte {
	for i := range writes {
		w := &writes[i]
		p := unsafe.Add(of, w.at)
		switch w.kind {
		case writeLong:
			dst = appendLong(dst, *(*int64)(p))
		case writeText:
			s := *(*string)(p)
			dst = append(appendLong(dst, int64(len(s))), s...)
		case writeBytes:
			s := *(*[]byte)(p)
			dst = append(appendLong(dst, int64(len(s))), s...)
		case writeBoolean:
			dst = append(dst, *(*byte)(p))
		case writeFixed:
			dst = append(dst, unsafe.Slice((*byte)(p), w.n)...)
		case writeList:
			dst = w.appendList(dst, (*header)(p))
		case writeOptional:
			if to := *(*unsafe.Pointer)(p); to == nil {
				dst = append(dst, 0)
			} else {
				dst = appendAll(append(dst, 2), w.fields, to)
			}
		}
	}
	return dst
}

// appendList appends the items of an array as one block.
func (w *write) appendList(dst []byte, h *header) []byte {
	if h.len > 0 {
		dst = appendLong(dst, int64(h.len))
		for i := range h.len {
			dst = appendAll(dst, w.fields, unsafe.Add(h.data, uintptr(i)*w.n))
		}
	}
	return append(dst, 0)
}

func appendLong(dst []byte, v int64) []byte {
	if u := uint64(v)<<1 ^ uint64(v>>63); u < 0x80 {
		return append(dst, byte(u))
	}
	return binary.AppendVarint(dst, v)
}
