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
// schema wrote is planned once, and what nobody named is passed over. The zero value is ready. It is used by one
// goroutine at a time.
type View[E any] struct {
	event E
	last  *Schema
	steps []step // of last; nil where the library reads it
	plans map[*Schema][]step
}

// Read returns the fields of a value of a schema. What it returns is valid until the next call; strings and byte
// slices in it point into value and live as long as it. What the writer named otherwise, or did not have, is
// as Decode has it, except that a field that E does not name need not be there.
func (v *View[E]) Read(s *Schema, value []byte) (*E, error) {
	if s != v.last {
		v.turn(s)
	}
	if v.steps == nil {
		return &v.event, s.View(value, &v.event)
	}
	rest, err := walk(v.steps, value[headerSize:])
	if err == nil && len(rest) != 0 {
		err = fmt.Errorf("%d bytes are left over: %w", len(rest), errMalformed)
	}
	if err != nil {
		return nil, fmt.Errorf("decode %s: %w", s.Name, err)
	}
	return &v.event, nil
}

// turn makes another schema the last one.
func (v *View[E]) turn(s *Schema) {
	steps, planned := v.plans[s]
	if !planned {
		writer, reader := s.writer.Root().ExpandReferences(), s.reader.Root().ExpandReferences()
		var err error
		if steps, err = planOf(writer, reader, reflect.ValueOf(&v.event).Elem()); err != nil {
			steps = nil // the library knows more than plans do
		}
		if v.plans == nil {
			v.plans = make(map[*Schema][]step)
		}
		v.plans[s] = steps
	}
	v.last, v.steps = s, steps
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
