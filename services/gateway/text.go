package gateway

import (
	"fmt"
	"unicode"
	"unicode/utf8"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// What is said of strings that are refused, whatever they are for. Everything else is stored verbatim.
const (
	notUnicode = "must be text in Unicode, without replacement characters"
	notText    = "must not have control characters, separators of lines, or overrides of the writing direction"
)

// checkText returns the strings of a message, and of all messages in it, which could make a line of a log
// or a statement look like another one.
func checkText(m protoreflect.Message) []*Violation {
	if plain(m) {
		return nil // nearly always, and nothing was allocated for it
	}
	return unclearIn(m, "")
}

// plain reports whether there is no such string.
func plain(m protoreflect.Message) (ok bool) {
	ok = true
	m.Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case fd.IsMap() || fd.Kind() != protoreflect.StringKind && fd.Message() == nil:
		case fd.IsList():
			for i := range v.List().Len() {
				ok = ok && plainValue(fd, v.List().Get(i))
			}
		default:
			ok = plainValue(fd, v)
		}
		return ok
	})
	return ok
}

func plainValue(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
	if fd.Message() != nil {
		return plain(v.Message())
	}
	return unclear(v.String()) == ""
}

// unclearIn returns such strings of the message at a path, which ends with a dot or is empty.
func unclearIn(m protoreflect.Message, at string) (out []*Violation) {
	add := func(fd protoreflect.FieldDescriptor, v protoreflect.Value, path string) {
		if fd.Message() != nil {
			out = append(out, unclearIn(v.Message(), path+".")...)
		} else if wrong := unclear(v.String()); wrong != "" {
			out = append(out, &Violation{Field: path, Description: wrong})
		}
	}
	m.Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		path := at + string(fd.Name())
		switch {
		case fd.IsMap() || fd.Kind() != protoreflect.StringKind && fd.Message() == nil:
		case fd.IsList():
			for i := range v.List().Len() {
				add(fd, v.List().Get(i), fmt.Sprintf("%s[%d]", path, i))
			}
		default:
			add(fd, v, path)
		}
		return len(out) < maxViolations
	})
	return out
}

// unclear says why a text is refused, "" where it is not.
func unclear(text string) string {
	for _, r := range text {
		switch {
		case r >= ' ' && r < 0x7f:
		case r == utf8.RuneError:
			return notUnicode
		case unicode.IsControl(r), r == 0x2028, r == 0x2029, r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x2069:
			return notText
		}
	}
	return ""
}
