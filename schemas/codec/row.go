package codec

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"reflect"
	"unsafe"

	"github.com/twmb/avro"
)

// Row encodes the rows of a projection as Avro, by a schema inferred from the struct R. Equal rows have
// equal bytes, so that rows can be compared as stored. It may be used concurrently.
type Row[R any] struct {
	schema *avro.Schema
	writes []write // nil where the library writes it
}

// RowOf returns the codec of R, a struct with avro tags. It refuses maps, whose order is not defined,
// and floating-point numbers.
func RowOf[R any]() (Row[R], error) {
	t := reflect.TypeFor[R]()
	if err := checkRow(t, t.String()); err != nil {
		return Row[R]{}, err
	}
	s, err := avro.SchemaFor[R]()
	if err != nil {
		return Row[R]{}, fmt.Errorf("row schema of %s: %w", t, err)
	}
	writes, err := writesOf(s.Root().ExpandReferences(), t, 0)
	if err != nil {
		writes = nil // the library knows more than plans do
	}
	return Row[R]{s, writes}, nil
}

func checkRow(t reflect.Type, path string) error {
	switch t.Kind() {
	case reflect.Map, reflect.Float32, reflect.Float64, reflect.Interface:
		return fmt.Errorf("row field %s: a %s has no defined bytes", path, t.Kind())
	case reflect.Pointer, reflect.Slice, reflect.Array:
		return checkRow(t.Elem(), path)
	case reflect.Struct:
		for i := range t.NumField() {
			f := t.Field(i)
			if err := checkRow(f.Type, path+"."+f.Name); err != nil {
				return err
			}
		}
	}
	return nil
}

// Hash identifies the schema of the rows.
func (c Row[R]) Hash() string {
	sum := sha256.Sum256(c.schema.Canonical())
	return hex.EncodeToString(sum[:8])
}

// Append appends the bytes of r to dst.
func (c Row[R]) Append(dst []byte, r *R) ([]byte, error) {
	if c.writes != nil {
		return appendAll(dst, c.writes, unsafe.Pointer(r)), nil
	}
	dst, err := c.schema.AppendEncode(dst, r)
	if err != nil {
		return nil, fmt.Errorf("encode row %T: %w", r, err)
	}
	return dst, nil
}

// Decode fills r from b, copying what it keeps.
func (c Row[R]) Decode(b []byte, r *R) error {
	rest, err := c.schema.Decode(b, r)
	if err != nil {
		return fmt.Errorf("decode row %T: %w", r, err)
	}
	if len(rest) != 0 {
		return fmt.Errorf("decode row %T: %d bytes are left over", r, len(rest))
	}
	return nil
}
