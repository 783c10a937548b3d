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

// planner makes the steps that fill structs from what one schema wrote. It covers what events are made of:
// scalars, enums, records and arrays of records, of the same types on both sides.
type planner struct{ steps []step }

// planOf returns the steps that fill structs, all addressable, from a record of the writer as the reader sees it.
// What several of them name is read once.
func planOf(writer, reader *avro.SchemaNode, into []reflect.Value) ([]step, error) {
	var p planner
	if err := p.record(writer, reader, into); err != nil {
		return nil, err
	}
	return p.steps, nil
}

// add appends a step; one that skips as the step before does joins it.
func (p *planner) add(s step) {
	if n := len(p.steps); n > 0 && s.kind <= skipBytes && p.steps[n-1].kind == s.kind {
		last := &p.steps[n-1]
		last.n += s.n
		if s.kind == skipSome {
			last.texts = append(last.texts, s.texts...)
		}
		return
	}
	p.steps = append(p.steps, s)
}

func (p *planner) record(writer, reader *avro.SchemaNode, into []reflect.Value) error {
	named, err := namedFields(into)
	if err != nil || len(reader.Aliases) > 0 {
		return errNoPlan{}
	}
	for i := range writer.Fields {
		w := &writer.Fields[i]
		targets, wanted := named[w.Name]
		if !wanted {
			err = p.skip(&w.Type)
		} else if r := fieldOf(reader, w.Name); r == nil {
			err = errNoPlan{}
		} else {
			err = p.value(&w.Type, r, targets)
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
		for _, target := range named[r.Name] {
			if err := p.fallback(r, target); err != nil {
				return err
			}
		}
		delete(named, r.Name)
	}
	if len(named) > 0 {
		return errNoPlan{}
	}
	return nil
}

// namedFields returns the fields of structs by the names that their tags give.
func namedFields(structs []reflect.Value) (map[string][]reflect.Value, error) {
	named := make(map[string][]reflect.Value)
	for _, s := range structs {
		if s.Kind() != reflect.Struct {
			return nil, errNoPlan{}
		}
		for _, f := range reflect.VisibleFields(s.Type()) {
			name, _, _ := strings.Cut(f.Tag.Get("avro"), ",")
			switch {
			case f.Anonymous && f.Type.Kind() == reflect.Struct && name == "", name == "-":
				continue
			case f.Anonymous || name == "" || !f.IsExported():
				return nil, errNoPlan{}
			}
			named[name] = append(named[name], s.FieldByIndex(f.Index))
		}
	}
	return named, nil
}

// value adds the steps that read one value, to all that is filled from it.
func (p *planner) value(writer, reader *avro.SchemaNode, into []reflect.Value) error {
	switch {
	case slices.ContainsFunc(into, parses) || reader.Type != writer.Type || reader.LogicalType != writer.LogicalType:
		return errNoPlan{}
	case writer.Type == "record":
		return p.record(writer, reader, into)
	case writer.Type == "array":
		return p.array(writer, reader, into)
	}
	if err := p.scalar(writer, reader, into[0]); err != nil {
		return err
	}
	for _, other := range into[1:] {
		if err := new(planner).scalar(writer, reader, other); err != nil || other.Kind() != into[0].Kind() {
			return errNoPlan{}
		}
		p.add(step{kind: repeat, rare: &rare{repeat: repeating(into[0], other)}})
	}
	return nil
}

// repeating returns what sets one place to what is at another, of one kind.
func repeating(from, to reflect.Value) func() {
	switch to.Kind() {
	case reflect.Int64:
		return assigning(pointer[int64](from), pointer[int64](to))
	case reflect.Bool:
		return assigning(pointer[bool](from), pointer[bool](to))
	case reflect.String:
		return assigning(pointer[string](from), pointer[string](to))
	case reflect.Slice:
		return assigning(pointer[[]byte](from), pointer[[]byte](to))
	default:
		read, again := from.Slice(0, from.Len()).Bytes(), to.Slice(0, to.Len()).Bytes()
		return func() { copy(again, read) }
	}
}

func assigning[T any](from, to *T) func() { return func() { *to = *from } }

// array adds the step that reads an array of records.
func (p *planner) array(writer, reader *avro.SchemaNode, into []reflect.Value) error {
	if writer.Items.Type != "record" || reader.Items.Type != "record" {
		return errNoPlan{}
	}
	l := &list{writer: writer.Items, reader: reader.Items}
	for _, dst := range into {
		if dst.Kind() != reflect.Slice || dst.Type().Elem().Kind() != reflect.Struct {
			return errNoPlan{}
		}
		l.slices = append(l.slices, sliced{slice: dst, header: (*header)(dst.Addr().UnsafePointer())})
	}
	p.add(step{kind: readList, rare: &rare{list: l}})
	return l.grow(2)
}

// scalar adds the step that reads a value which holds no other.
func (p *planner) scalar(writer, reader *avro.SchemaNode, dst reflect.Value) error {
	is := func(avroType string, kind reflect.Kind) bool { return writer.Type == avroType && dst.Kind() == kind }
	switch {
	case is("long", reflect.Int64):
		p.add(step{kind: readLong, long: pointer[int64](dst)})
	case is("boolean", reflect.Bool):
		p.add(step{kind: readBoolean, rare: &rare{boolean: pointer[bool](dst)}})
	case is("string", reflect.String) && writer.LogicalType == "":
		p.add(step{kind: readText, text: pointer[string](dst)})
	case is("bytes", reflect.Slice) && dst.Type().Elem() == reflect.TypeFor[byte]() && writer.LogicalType == "":
		p.add(step{kind: readBytes, rare: &rare{bytes: pointer[[]byte](dst)}})
	case is("fixed", reflect.Array) && dst.Type().Elem() == reflect.TypeFor[byte]() && dst.Len() == writer.Size && reader.Size == writer.Size:
		p.add(step{kind: readFixed, rare: &rare{fixed: dst.Slice(0, dst.Len()).Bytes()}})
	case is("enum", reflect.String):
		return p.enum(writer, reader, dst)
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
	p.add(step{kind: readEnum, text: pointer[string](dst), rare: &rare{symbols: symbols}})
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
			p.add(step{kind: setText, text: pointer[string](dst), rare: &rare{symbols: []string{d}}})
			return nil
		}
	case int64:
		if r.Type.Type == "long" && dst.Kind() == reflect.Int64 {
			p.add(step{kind: setLong, long: pointer[int64](dst), rare: &rare{preset: d}})
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
		p.add(step{kind: skipSome, rare: &rare{texts: []bool{false}}})
	case "string", "bytes":
		p.add(step{kind: skipSome, rare: &rare{texts: []bool{true}}})
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
		p.add(step{kind: skipList, rare: &rare{list: &list{items: [][]step{item.steps}}}})
	default:
		return errNoPlan{}
	}
	return nil
}
