package gateway

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// Bounds of what an answer repeats of a request.
const (
	maxViolations = 100
	maxName       = 100
)

// errEnough ends the walk through a body in which enough is wrong.
var errEnough = errors.New("there are more violations than are told")

// checkJSON refuses a body that must not be read as a message, with every field that is wrong.
//
// The decoder of protobuf reads the body after this. By itself it takes "1.0" and 1e2 for the integers 1
// and 100, which amounts of money must never be; it is handed the first value of a body only, whatever
// follows; and it stops at the first mistake.
func checkJSON(input protoreflect.MessageDescriptor, body []byte) error {
	w := &walk{decoder: json.NewDecoder(bytes.NewReader(body))}
	w.decoder.UseNumber()
	if err := w.body(input); err != nil && !errors.Is(err, errEnough) {
		w.violations = append(w.violations, &Violation{Field: w.at, Description: "is not JSON: " + err.Error()})
	}
	if len(w.violations) == 0 {
		return nil
	}
	return &Malformed{Violations: w.violations}
}

// walk goes through a body beside the descriptor of its message. It never recurses into what is no message
// field, so that its depth is that of the descriptors.
type walk struct {
	decoder    *json.Decoder
	at         string // path of the value that is being read
	violations []*Violation
}

func (w *walk) violate(format string, args ...any) error {
	w.violations = append(w.violations, &Violation{Field: w.at, Description: fmt.Sprintf(format, args...)})
	if len(w.violations) == maxViolations {
		return errEnough
	}
	return nil
}

func (w *walk) body(input protoreflect.MessageDescriptor) error {
	first, err := w.decoder.Token()
	if errors.Is(err, io.EOF) {
		return nil // an empty body is the empty message
	}
	if err != nil {
		return err
	}
	if first != json.Delim('{') {
		return w.violate("must be an object")
	}
	if err := w.object(input); err != nil {
		return err
	}
	w.at = ""
	if _, err := w.decoder.Token(); !errors.Is(err, io.EOF) {
		return w.violate("something follows the object")
	}
	return nil
}

// object walks through an object whose brace is taken.
func (w *walk) object(m protoreflect.MessageDescriptor) error {
	outside := w.at
	seen := make(map[protoreflect.FieldNumber]bool)
	for w.decoder.More() {
		key, err := w.decoder.Token()
		if err != nil {
			return err
		}
		name, _ := key.(string)
		fd := field(m, name)
		if fd != nil {
			name = string(fd.Name())
		}
		w.at = strings.TrimPrefix(outside+"."+clip(name), ".")
		if err := w.member(m, fd, seen); err != nil {
			return err
		}
	}
	w.at = outside
	_, err := w.decoder.Token()
	return err
}

// clip shortens a name that a client chose.
func clip(name string) string { return strings.ToValidUTF8(name[:min(len(name), maxName)], "?") }

// field returns the field that a name stands for, as .proto files or as JSON spell it.
func field(m protoreflect.MessageDescriptor, name string) protoreflect.FieldDescriptor {
	if fd := m.Fields().ByJSONName(name); fd != nil {
		return fd
	}
	return m.Fields().ByName(protoreflect.Name(name))
}

// member walks through the value of one name of an object.
func (w *walk) member(m protoreflect.MessageDescriptor, fd protoreflect.FieldDescriptor, seen map[protoreflect.FieldNumber]bool) error {
	first, err := w.decoder.Token()
	if err != nil {
		return err
	}
	switch {
	case fd == nil:
		err = w.violate("%s has no such field", m.Name())
	case seen[fd.Number()]:
		err = w.violate("is given twice")
	default:
		seen[fd.Number()] = true
		return w.value(fd, first)
	}
	if err != nil {
		return err
	}
	return w.skip(first)
}

// value walks through the value of a field, of which one token is taken.
func (w *walk) value(fd protoreflect.FieldDescriptor, first json.Token) error {
	if !fd.IsList() || first != json.Delim('[') {
		return w.single(fd, first)
	}
	list := w.at
	for i := 0; w.decoder.More(); i++ {
		w.at = list + "[" + strconv.Itoa(i) + "]"
		first, err := w.decoder.Token()
		if err != nil {
			return err
		}
		if err := w.single(fd, first); err != nil {
			return err
		}
	}
	w.at = list
	_, err := w.decoder.Token()
	return err
}

// single walks through one value: of a field, or of an item of its list.
func (w *walk) single(fd protoreflect.FieldDescriptor, first json.Token) error {
	if m := fd.Message(); m != nil && !fd.IsMap() && first == json.Delim('{') && m.ParentFile().Package() != "google.protobuf" {
		return w.object(m)
	}
	if wrong := misfit(fd, first); wrong != "" {
		if err := w.violate("%s", wrong); err != nil {
			return err
		}
	}
	return w.skip(first)
}

// skip takes the rest of a value, however deep it is.
func (w *walk) skip(first json.Token) error {
	depth := 0
	for t := first; ; {
		switch t {
		case json.Delim('{'), json.Delim('['):
			depth++
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
		if depth == 0 {
			return nil
		}
		var err error
		if t, err = w.decoder.Token(); err != nil {
			return err
		}
	}
}

// misfit says why a value cannot be that of a field, "" where it can. Null stands for no value.
func misfit(fd protoreflect.FieldDescriptor, value json.Token) string {
	if value == nil {
		return ""
	}
	text, isString := value.(string)
	number, isNumber := value.(json.Number)
	_, isBool := value.(bool)
	switch kind := fd.Kind(); {
	case integer(kind) && !isString && !isNumber:
		return "must be a whole number"
	case integer(kind):
		return outside(kind, text+number.String())
	case kind == protoreflect.BoolKind && !isBool:
		return "must be true or false"
	case kind == protoreflect.StringKind && !isString:
		return "must be a string"
	case kind == protoreflect.EnumKind && isString && fd.Enum().Values().ByName(protoreflect.Name(text)) == nil:
		return fmt.Sprintf("is no %s", fd.Enum().Name())
	}
	return ""
}

func integer(kind protoreflect.Kind) bool { return bits(kind) != 0 }

// bits returns the width of an integer kind, negative where it has no sign; 0 for other kinds.
func bits(kind protoreflect.Kind) int {
	switch kind {
	case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind:
		return 32
	case protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Sfixed64Kind:
		return 64
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind:
		return -32
	case protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		return -64
	}
	return 0
}

// outside says why a text is not an integer of a kind.
func outside(kind protoreflect.Kind, text string) string {
	var err error
	if width := bits(kind); width > 0 {
		_, err = strconv.ParseInt(text, 10, width)
	} else {
		_, err = strconv.ParseUint(text, 10, -width)
	}
	switch {
	case errors.Is(err, strconv.ErrRange):
		return "is out of range"
	case err != nil:
		return "must be a whole number, without fraction or exponent"
	}
	return ""
}
