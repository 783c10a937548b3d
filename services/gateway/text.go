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
// or a statement look like another one. At is the path of the message.
func checkText(m protoreflect.Message, at string) (out []*Violation) {
	m.Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		single := fd.Kind() == protoreflect.StringKind || fd.Message() != nil
		switch path := at + string(fd.Name()); {
		case fd.IsMap() || !single:
		case fd.IsList():
			for i := range v.List().Len() {
				out = append(out, checkValue(v.List().Get(i), fmt.Sprintf("%s[%d]", path, i))...)
			}
		default:
			out = append(out, checkValue(v, path)...)
		}
		return len(out) < maxViolations
	})
	return out
}

// checkValue does so with one value, which is a string or a message.
func checkValue(v protoreflect.Value, at string) []*Violation {
	text, ok := v.Interface().(string)
	if !ok {
		return checkText(v.Message(), at+".")
	}
	if wrong := unclear(text); wrong != "" {
		return []*Violation{{Field: at, Description: wrong}}
	}
	return nil
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
