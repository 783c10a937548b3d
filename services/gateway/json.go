package gateway

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// maxName bounds what is repeated of a name that a client chose.
const maxName = 100

// errEnough ends the walk through a body in which enough is wrong.
var errEnough = errors.New("there are more violations than are told")

// checkJSON returns what is wrong with the form of a body, every field of it, and the body without that,
// nil where there is no such thing. Fixed are fields that the path of the request has set.
//
// The decoder of protobuf reads the body after this. By itself it takes "1.0" and 1e2 for the integers 1
// and 100, which amounts of money must never be; it is handed the first value of a body only, whatever
// follows; and it stops at the first mistake.
func checkJSON(input protoreflect.MessageDescriptor, body []byte, fixed map[string]string) (violations []*Violation, rest []byte) {
	w := &walk{decoder: json.NewDecoder(bytes.NewReader(body)), body: body, fixed: fixed}
	w.decoder.UseNumber()
	switch err := w.whole(input); {
	case errors.Is(err, errEnough):
		return w.violations, nil
	case err != nil:
		return append(w.violations, &Violation{Field: w.at, Description: "is not JSON: " + err.Error()}), nil
	}
	return w.violations, w.rest
}

// walk goes through a body beside the descriptor of its message. It never recurses into what is no message
// field, so that its depth is that of the descriptors.
type walk struct {
	decoder    *json.Decoder
	body       []byte
	fixed      map[string]string
	at         string // path of the value that is being read
	violations []*Violation
	rest       []byte // of the body, without what is wrong
	kept       int64  // offset up to which the body is in rest
}

func (w *walk) violate(description string) error {
	w.violations = append(w.violations, &Violation{Field: w.at, Description: description})
	if len(w.violations) == maxViolations {
		return errEnough
	}
	return nil
}

// mend puts something else into rest than what the body has from an offset to the last token.
func (w *walk) mend(from int64, with string) {
	w.keep(from)
	if bytes.HasPrefix(bytes.TrimLeft(w.body[from:], " \t\r\n"), []byte(",")) {
		w.rest = append(w.rest, ',')
	}
	w.rest = append(w.rest, with...)
	w.kept = w.decoder.InputOffset()
}

func (w *walk) keep(until int64) {
	w.rest = append(w.rest, w.body[w.kept:until]...)
	w.kept = until
}

func (w *walk) whole(input protoreflect.MessageDescriptor) error {
	first, err := w.decoder.Token()
	if errors.Is(err, io.EOF) {
		w.rest = []byte("{}")
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
	w.keep(w.decoder.InputOffset())
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
		if err := w.member(m, outside, seen); err != nil {
			return err
		}
	}
	w.at = outside
	_, err := w.decoder.Token()
	return err
}

// member walks through one name of the object at a path, and its value.
func (w *walk) member(m protoreflect.MessageDescriptor, outside string, seen map[protoreflect.FieldNumber]bool) error {
	from := w.decoder.InputOffset()
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
	first, err := w.decoder.Token()
	if err != nil {
		return err
	}
	var wrong string
	switch {
	case fd == nil:
		wrong = string(m.Name()) + " has no such field"
	case seen[fd.Number()]:
		wrong = "is given twice"
	case outside == "" && w.contradicts(name, first):
		wrong = "differs from the one in the path"
	default:
		wrong, err = w.value(fd, first)
	}
	if fd != nil {
		seen[fd.Number()] = true
	}
	if err != nil || wrong == "" {
		return err
	}
	return w.replace(first, from, wrong, `"-":null`)
}

// contradicts reports whether the path of the request has set a field to something else.
func (w *walk) contradicts(name string, value json.Token) bool {
	fixed, ok := w.fixed[name]
	return ok && value != nil && value != fixed
}

// replace says that a value is wrong, of which one token is taken, and leaves it out of rest.
func (w *walk) replace(first json.Token, from int64, wrong, with string) error {
	if err := w.skip(first); err != nil {
		return err
	}
	w.mend(from, with)
	return w.violate(wrong)
}

// value walks through the value of a field, of which one token is taken. Where it is wrong, it stays there.
func (w *walk) value(fd protoreflect.FieldDescriptor, first json.Token) (wrong string, err error) {
	switch {
	case first == nil:
		return "", nil
	case fd.IsMap() && first == json.Delim('{'):
		return "", w.skip(first)
	case fd.IsMap():
		return "must be an object", nil
	case !fd.IsList():
		return w.single(fd, first)
	case first != json.Delim('['):
		return "must be a list", nil
	}
	list := w.at
	for i := 0; w.decoder.More(); i++ {
		w.at = list + "[" + strconv.Itoa(i) + "]"
		if err := w.item(fd); err != nil {
			return "", err
		}
	}
	w.at = list
	_, err = w.decoder.Token()
	return "", err
}

// item walks through one item of the list of a field.
func (w *walk) item(fd protoreflect.FieldDescriptor) error {
	at, from := w.at, w.decoder.InputOffset()
	first, err := w.decoder.Token()
	if err != nil {
		return err
	}
	wrong := "must not be null"
	if first != nil {
		wrong, err = w.single(fd, first)
	}
	if err != nil || wrong == "" {
		return err
	}
	w.at = at
	return w.replace(first, from, wrong, blank(fd))
}

// single walks through one value: of a field, or of an item of its list.
func (w *walk) single(fd protoreflect.FieldDescriptor, first json.Token) (wrong string, err error) {
	m := fd.Message()
	if m == nil || m.ParentFile().Package() == "google.protobuf" {
		return misfit(fd, first), nil
	}
	if first != json.Delim('{') {
		return "must be an object", nil
	}
	return "", w.object(m)
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
