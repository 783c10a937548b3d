package codec

import (
	"encoding"
	"reflect"
	"slices"
	"strings"

	"github.com/twmb/avro"
)

// errNoPlan says that a plan does not cover what a schema or a struct holds; the library reads it then.
type errNoPlan struct{}

func (errNoPlan) Error() string { return "there is no plan for it" }

// planner makes the steps that fill one struct from what one schema wrote. It covers what events are made of:
// scalars, enums, records and arrays of records, of the same types on both sides.
type planner struct{ steps []step }

// planOf returns the steps that fill dst, an addressable struct, from a record of the writer as the reader
// sees it.
func planOf(writer, reader *avro.SchemaNode, dst reflect.Value) ([]step, error) {
	var p planner
	if err := p.record(writer, reader, dst); err != nil {
		return nil, err
	}
	return p.steps, nil
}

// add appends a step; one that skips as the step before does joins it.
func (p *planner) add(s step) {
	if n := len(p.steps); n > 0 && s.kind <= skipBytes && p.steps[n-1].kind == s.kind {
		p.steps[n-1].n += s.n
		return
	}
	p.steps = append(p.steps, s)
}

func (p *planner) record(writer, reader *avro.SchemaNode, dst reflect.Value) error {
	named, err := namedFields(dst)
	if err != nil || len(reader.Aliases) > 0 {
		return errNoPlan{}
	}
	for i := range writer.Fields {
		w := &writer.Fields[i]
		target, wanted := named[w.Name]
		if !wanted {
			err = p.skip(&w.Type)
		} else if r := fieldOf(reader, w.Name); r == nil {
			err = errNoPlan{}
		} else {
			err = p.value(&w.Type, r, target)
		}
		if err != nil {
			return err
		}
		delete(named, w.Name)
	}
	for i := range reader.Fields {
		r := &reader.Fields[i]
		if len(r.Aliases) > 0 {
			return errNoPlan{}
		}
		if target, missing := named[r.Name]; missing {
			if err := p.fallback(r, target); err != nil {
				return err
			}
			delete(named, r.Name)
		}
	}
	if len(named) > 0 {
		return errNoPlan{}
	}
	return nil
}

// namedFields returns the fields of a struct by the names that their tags give.
func namedFields(dst reflect.Value) (map[string]reflect.Value, error) {
	if dst.Kind() != reflect.Struct {
		return nil, errNoPlan{}
	}
	named := make(map[string]reflect.Value)
	for _, f := range reflect.VisibleFields(dst.Type()) {
		name, _, _ := strings.Cut(f.Tag.Get("avro"), ",")
		switch {
		case f.Anonymous && f.Type.Kind() == reflect.Struct && name == "", name == "-":
			continue
		case f.Anonymous || name == "" || !f.IsExported():
			return nil, errNoPlan{}
		}
		named[name] = dst.FieldByIndex(f.Index)
	}
	return named, nil
}

// value adds the steps that read one value.
func (p *planner) value(writer, reader *avro.SchemaNode, dst reflect.Value) error {
	if writer.Type != reader.Type || writer.LogicalType != reader.LogicalType || parses(dst) {
		return errNoPlan{}
	}
	is := func(avroType string, kind reflect.Kind) bool { return writer.Type == avroType && dst.Kind() == kind }
	switch {
	case is("long", reflect.Int64):
		p.add(step{kind: readLong, long: pointer[int64](dst)})
	case is("boolean", reflect.Bool):
		p.add(step{kind: readBoolean, boolean: pointer[bool](dst)})
	case is("string", reflect.String) && writer.LogicalType == "":
		p.add(step{kind: readText, text: pointer[string](dst)})
	case is("bytes", reflect.Slice) && dst.Type().Elem() == reflect.TypeFor[byte]() && writer.LogicalType == "":
		p.add(step{kind: readBytes, bytes: pointer[[]byte](dst)})
	case is("fixed", reflect.Array) && dst.Type().Elem() == reflect.TypeFor[byte]() && dst.Len() == writer.Size && reader.Size == writer.Size:
		p.add(step{kind: readFixed, fixed: dst.Slice(0, dst.Len()).Bytes()})
	case is("enum", reflect.String):
		return p.enum(writer, reader, dst)
	case is("record", reflect.Struct):
		return p.record(writer, reader, dst)
	case is("array", reflect.Slice) && writer.Items.Type == "record":
		l := &list{writer: writer.Items, reader: reader.Items, slice: dst}
		p.add(step{kind: readList, list: l})
		return l.grow(2)
	default:
		return errNoPlan{}
	}
	return nil
}

// parses tells whether a type reads itself, from a text or from bytes.
func parses(dst reflect.Value) bool {
	switch dst.Addr().Interface().(type) {
	case encoding.TextUnmarshaler, encoding.BinaryUnmarshaler:
		return true
	}
	return false
}

// pointer returns where dst is kept, whatever name its type has.
func pointer[T any](dst reflect.Value) *T {
	return dst.Addr().Convert(reflect.TypeFor[*T]()).Interface().(*T)
}

// enum reads a symbol; one that the reader does not know is its default.
func (p *planner) enum(writer, reader *avro.SchemaNode, dst reflect.Value) error {
	symbols := slices.Clone(writer.Symbols)
	for i, s := range symbols {
		if slices.Contains(reader.Symbols, s) {
			continue
		}
		if !reader.HasEnumDefault {
			return errNoPlan{}
		}
		symbols[i] = reader.EnumDefault
	}
	p.add(step{kind: readEnum, text: pointer[string](dst), symbols: symbols})
	return nil
}

// fallback sets a field that the writer did not have to the default of the reader.
func (p *planner) fallback(r *avro.SchemaField, dst reflect.Value) error {
	if !r.HasDefault || parses(dst) {
		return errNoPlan{}
	}
	switch d := r.Default.(type) {
	case string:
		if (r.Type.Type == "string" || r.Type.Type == "enum") && dst.Kind() == reflect.String {
			p.add(step{kind: setText, text: pointer[string](dst), symbols: []string{d}})
			return nil
		}
	case int64:
		if r.Type.Type == "long" && dst.Kind() == reflect.Int64 {
			p.add(step{kind: setLong, long: pointer[int64](dst), preset: d})
			return nil
		}
	}
	return errNoPlan{}
}

// skip adds the steps that pass a value over.
func (p *planner) skip(n *avro.SchemaNode) error {
	switch n.Type {
	case "null":
	case "int", "long", "enum":
		p.add(step{kind: skipLong, n: 1})
	case "string", "bytes":
		p.add(step{kind: skipText, n: 1})
	case "boolean":
		p.add(step{kind: skipBytes, n: 1})
	case "float":
		p.add(step{kind: skipBytes, n: 4})
	case "double":
		p.add(step{kind: skipBytes, n: 8})
	case "fixed":
		p.add(step{kind: skipBytes, n: n.Size})
	case "record":
		for i := range n.Fields {
			if err := p.skip(&n.Fields[i].Type); err != nil {
				return err
			}
		}
	case "array":
		var item planner
		if err := item.skip(n.Items); err != nil {
			return err
		}
		p.add(step{kind: skipList, list: &list{items: [][]step{item.steps}}})
	default:
		return errNoPlan{}
	}
	return nil
}
