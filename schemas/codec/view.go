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
