package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
)

// maskField is the field of a request that says which fields of the answer are wanted (google.protobuf.FieldMask). The
// mask is held against the schema of the answer, and the answer cut, here: services know nothing of it.
const maskField = "fields"

// mask are the fields of a message that are wanted, by their names in the .proto file, and those wanted of each; nil is
// all. Other than FieldMask has it, a name may stand behind that of a list: it is then of each item.
type mask map[string]mask

// maskOf returns what a request wants of its answer, and what is wrong with that.
func maskOf(m proto.Message, answer protoreflect.MessageDescriptor) (mask, []*Violation) {
	request := m.ProtoReflect()
	fd := request.Descriptor().Fields().ByName(maskField)
	if fd == nil || !request.Has(fd) || answer == nil {
		return nil, nil
	}
	given, ok := request.Get(fd).Message().Interface().(*fieldmaskpb.FieldMask)
	if !ok || len(given.GetPaths()) == 0 {
		return nil, nil
	}
	return parseMask(given.GetPaths(), answer)
}

// parseMask reads paths of fields. What an answer says of itself is always wanted.
func parseMask(paths []string, answer protoreflect.MessageDescriptor) (mask, []*Violation) {
	out := mask{freshnessField: nil, "next_page_token": nil}
	var unknown []string
	for _, path := range paths {
		if !out.add(answer, strings.Split(path, ".")) {
			unknown = append(unknown, clip(path))
		}
	}
	if unknown == nil {
		return out, nil
	}
	return nil, []*Violation{{Field: maskField, Description: fmt.Sprintf("%s has no field %s", answer.Name(), strings.Join(unknown, ", "))}}
}

// add adds a path, and tells whether there is such a field.
func (k mask) add(m protoreflect.MessageDescriptor, path []string) bool {
	fd := field(m, path[0])
	if fd == nil {
		return false
	}
	name := string(fd.Name())
	within, known := k[name]
	if len(path) == 1 {
		k[name] = nil
		return true
	}
	inner := fd.Message()
	if inner == nil || fd.IsMap() || inner.ParentFile().Package() == "google.protobuf" {
		return false
	}
	if known && within == nil { // all of it is wanted: the rest is only looked at
		return make(mask).add(inner, path[1:])
	}
	if !known {
		within = make(mask)
		k[name] = within
	}
	return within.add(inner, path[1:])
}

// cut takes out of a message what is not wanted.
func (k mask) cut(m protoreflect.Message) {
	if k == nil {
		return
	}
	m.Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		within, wanted := k[string(fd.Name())]
		switch {
		case !wanted:
			m.Clear(fd)
		case within == nil:
		case fd.IsList():
			for i := range v.List().Len() {
				within.cut(v.List().Get(i).Message())
			}
		default:
			within.cut(v.Message())
		}
		return true
	})
}

// cutJSON is cut for JSON, where fields that are zero are shown.
func (k mask) cutJSON(raw json.RawMessage) (json.RawMessage, error) {
	raw = bytes.TrimSpace(raw)
	if k == nil || len(raw) == 0 {
		return raw, nil
	}
	switch raw[0] {
	case '[':
		var items []json.RawMessage
		if err := json.Unmarshal(raw, &items); err != nil {
			return nil, err
		}
		for i := range items {
			var err error
			if items[i], err = k.cutJSON(items[i]); err != nil {
				return nil, err
			}
		}
		return json.Marshal(items)
	case '{':
		return k.cutObject(raw)
	}
	return raw, nil
}

// cutObject keeps the order of the fields.
func (k mask) cutObject(raw json.RawMessage) (json.RawMessage, error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	if _, err := d.Token(); err != nil {
		return nil, err
	}
	var parts [][]byte
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, err
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil, err
		}
		within, wanted := k[fmt.Sprint(name)]
		if !wanted {
			continue
		}
		if value, err = within.cutJSON(value); err != nil {
			return nil, err
		}
		parts = append(parts, fmt.Appendf(nil, "%q:%s", name, value))
	}
	return append(append([]byte{'{'}, bytes.Join(parts, []byte{','})...), '}'), nil
}

// answerOf returns what a method answers with, nil where no .proto file says so.
func answerOf(method string) protoreflect.MessageDescriptor {
	name := strings.ReplaceAll(strings.TrimPrefix(method, "/"), "/", ".")
	d, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(name))
	if m, ok := d.(protoreflect.MethodDescriptor); err == nil && ok {
		return m.Output()
	}
	return nil
}

type maskKey struct{}

// masked returns the context of a request over REST whose answer is to be cut. The mask was found to be right, or the
// call is refused.
func (r route) masked(ctx context.Context, given []string) context.Context {
	if len(given) == 0 {
		return ctx
	}
	wanted, _ := parseMask(strings.Split(given[0], ","), r.output)
	return context.WithValue(ctx, maskKey{}, wanted)
}

// rewrite returns the JSON of an answer that is to be cut, and any other as it is.
func rewrite(ctx context.Context, m proto.Message) (any, error) {
	wanted, _ := ctx.Value(maskKey{}).(mask)
	if wanted == nil {
		return m, nil
	}
	raw, err := marshal().Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("marshal %s: %w", m.ProtoReflect().Descriptor().FullName(), err)
	}
	return wanted.cutJSON(raw)
}
