package gateway

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// maxExact bounds integers that may be JSON numbers: beyond it, other programs on the way may have rounded
// them (RFC 7493, section 2.2), so that they must be strings.
const maxExact = 1<<53 - 1

// decimal is how integers are written.
var decimal = regexp.MustCompile(`^-?(0|[1-9][0-9]*)$`)

// clip shortens a name that a client chose.
func clip(name string) string { return strings.ToValidUTF8(name[:min(len(name), maxName)], "?") }

// field returns the field that a name stands for, as .proto files or as JSON spell it.
func field(m protoreflect.MessageDescriptor, name string) protoreflect.FieldDescriptor {
	if fd := m.Fields().ByJSONName(name); fd != nil {
		return fd
	}
	return m.Fields().ByName(protoreflect.Name(name))
}

// blank is the JSON of a value that stands for none in a list.
func blank(fd protoreflect.FieldDescriptor) string {
	switch fd.Kind() {
	case protoreflect.MessageKind, protoreflect.GroupKind:
		return "{}"
	case protoreflect.StringKind, protoreflect.BytesKind:
		return `""`
	case protoreflect.BoolKind:
		return "false"
	}
	return "0"
}

// misfit says why a value cannot be that of a field, "" where it can.
func misfit(fd protoreflect.FieldDescriptor, value json.Token) string {
	text, isString := value.(string)
	number, isNumber := value.(json.Number)
	_, isBool := value.(bool)
	switch kind := fd.Kind(); {
	case kind == protoreflect.BoolKind && !isBool:
		return "must be true or false"
	case kind == protoreflect.StringKind && !isString:
		return "must be a string"
	case kind == protoreflect.StringKind && strings.ContainsRune(text, utf8.RuneError):
		return notUnicode
	case kind == protoreflect.EnumKind && isNumber:
		return outside(protoreflect.Int32Kind, number.String())
	case kind == protoreflect.EnumKind && (!isString || fd.Enum().Values().ByName(protoreflect.Name(text)) == nil):
		return fmt.Sprintf("is no %s", fd.Enum().Name())
	case kind == protoreflect.MessageKind:
		return misfitMessage(fd, text) // of what is no string the text is empty, and fits neither
	case bits(kind) == 0:
		return ""
	case isNumber:
		return inexact(kind, number.String())
	case isString:
		return outside(kind, text)
	}
	return "must be a whole number"
}

// misfitMessage says why a text cannot be a message that is written as one, "" where it can, or is not.
func misfitMessage(fd protoreflect.FieldDescriptor, text string) string {
	switch name := fd.Message().FullName(); {
	case name == "google.protobuf.Timestamp" && !isTime(text):
		return "must be a time such as 2026-01-31T12:00:00Z"
	case name == "google.protobuf.Duration" && !isSpan(text):
		return "must be seconds such as 90s"
	}
	return ""
}

// isTime reports whether a text is a time as protojson takes it.
func isTime(text string) bool { return isJSON(text, new(timestamppb.Timestamp)) }

// isSpan reports whether a text is a length of time as protojson takes it.
func isSpan(text string) bool { return isJSON(text, new(durationpb.Duration)) }

// isJSON reports whether protojson takes a text for a message of a kind.
func isJSON(text string, m proto.Message) bool {
	quoted, err := json.Marshal(text)
	return err == nil && protojson.Unmarshal(quoted, m) == nil
}

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

// inexact says why a JSON number is not an integer of a kind, or may not be the one that was meant.
func inexact(kind protoreflect.Kind, text string) string {
	if wrong := outside(kind, text); wrong != "" {
		return wrong
	}
	if n, err := strconv.ParseInt(text, 10, 64); err != nil || n > maxExact || n < -maxExact {
		return fmt.Sprintf("must be a string, since numbers beyond %d may have been rounded", int64(maxExact))
	}
	return ""
}

// outside says why a text is not an integer of a kind.
func outside(kind protoreflect.Kind, text string) string {
	if !decimal.MatchString(text) {
		return "must be a whole number, without fraction or exponent"
	}
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
		return "must be a whole number and not negative"
	}
	return ""
}
