package codec

import (
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/twmb/avro"

	"github.com/refold/refold/schemas/event"
)

// ErrView is wrapped by every error of CheckView.
var ErrView = errors.New("fields cannot be read from the event")

// View reads the fields that the struct E names, straight from the bytes of values: how to go through what a
// schema wrote is planned once, and what nobody named is passed over. The zero value is ready, and must not be copied
// once it is used. It is used by one goroutine at a time.
type View[E any] struct {
	event E
	reading
}

// Read returns the fields of a value of a schema. What it returns is valid until the next call; strings and byte
// slices in it point into value and live as long as it. What the writer named otherwise, or did not have, is
// as Decode has it, except that a field that E does not name need not be there.
func (v *View[E]) Read(s *Schema, value []byte) (*E, error) {
	if err := v.Fill(s, value); err != nil {
		return nil, err
	}
	return &v.event, nil
}

// Event returns the fields of the value that was read last, valid as those that Read returns.
func (v *View[E]) Event() *E { return &v.event }

// Fill implements Fields.
func (v *View[E]) Fill(s *Schema, value []byte) error { return v.own().fill(s, value) }

func (v *View[E]) own() *reading {
	if v.into == nil {
		v.into = []reflect.Value{reflect.ValueOf(&v.event).Elem()}
	}
	return &v.reading
}

// Fields are a View of any struct.
type Fields interface {
	// Fill reads the fields of a value of a schema into the struct; see View.
	Fill(s *Schema, value []byte) error
	own() *reading
}

// Together reads what several views name of a value, each field once.
type Together struct {
	reading
	each []Fields
}

// Join returns what reads for some views. After it has read a value, each of them has its event as if it had read
// the value itself.
func Join(views []Fields) *Together {
	t := &Together{each: views}
	for _, v := range views {
		t.into = append(t.into, v.own().into...)
	}
	return t
}

// Fill reads a value of a schema for all views. Where it fails, it may be one of them alone that cannot be read.
func (t *Together) Fill(s *Schema, value []byte) error {
	switch len(t.each) {
	case 0:
		return nil
	case 1:
		return t.each[0].Fill(s, value)
	default:
		return t.fill(s, value)
	}
}

// reading fills structs from values.
type reading struct {
	into  []reflect.Value
	last  *Schema
	steps []step // of last; nil where the library reads it
	plans map[*Schema][]step
}

func (r *reading) fill(s *Schema, value []byte) error {
	if s != r.last {
		r.turn(s)
	}
	if r.steps == nil {
		for _, one := range r.into {
			if err := s.View(value, one.Addr().Interface()); err != nil {
				return err
			}
		}
		return nil
	}
	if end := walk(r.steps, value, headerSize); end != len(value) {
		return fmt.Errorf("decode %s: %w", s.Name, errMalformed)
	}
	return nil
}

// turn makes another schema the last one.
func (r *reading) turn(s *Schema) {
	steps, planned := r.plans[s]
	if !planned {
		writer, reader := s.writer.Root().ExpandReferences(), s.reader.Root().ExpandReferences()
		var err error
		if steps, err = planOf(writer, reader, r.into); err != nil {
			steps = nil // the library knows more than plans do
		}
		if r.plans == nil {
			r.plans = make(map[*Schema][]step)
		}
		r.plans[s] = steps
	}
	r.last, r.steps = s, steps
}

// CheckView checks that every field that the struct E names is a field of an event, so that a name that is
// written wrongly does not read as zero for ever.
func CheckView[E any](name string) error {
	text := event.Schema(name)
	if text == "" {
		return fmt.Errorf("%w: there is no event %q", ErrView, name)
	}
	schema, err := avro.Parse(text)
	if err != nil {
		return fmt.Errorf("%w: %s: %w", ErrView, name, err)
	}
	return checkFields(reflect.TypeFor[E](), schema.Root().ExpandReferences(), name)
}

// checkFields holds a type against the schema that fills it.
func checkFields(t reflect.Type, node *avro.SchemaNode, path string) error {
	switch {
	case t.Kind() == reflect.Slice && node.Type == "array":
		return checkFields(t.Elem(), node.Items, path+"[]")
	case t.Kind() != reflect.Struct || node.Type != "record":
		return nil // a scalar is checked by the decoder, when it reads the first event
	}
	for _, f := range reflect.VisibleFields(t) {
		field, _, _ := strings.Cut(f.Tag.Get("avro"), ",")
		if f.Anonymous || field == "-" {
			continue
		}
		found := fieldOf(node, field)
		if found == nil {
			return fmt.Errorf("%w: %s has no field %q", ErrView, path, field)
		}
		if err := checkFields(f.Type, found, path+"."+field); err != nil {
			return err
		}
	}
	return nil
}

func fieldOf(node *avro.SchemaNode, name string) *avro.SchemaNode {
	for i := range node.Fields {
		if node.Fields[i].Name == name {
			return &node.Fields[i].Type
		}
	}
	return nil
}
