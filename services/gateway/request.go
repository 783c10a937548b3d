package gateway

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

// check refuses a request over REST of which a part would be misread, or not be read at all. It says at
// once what else is wrong with the request: what can be read is held to the rules of its schema.
// Otherwise it returns the context of the call.
func (r *rest) check(q *http.Request, params map[string]string, body []byte) (context.Context, error) {
	pattern, _ := runtime.HTTPPattern(q.Context())
	to, err := r.routes.find(q.Method, pattern.String())
	if err != nil {
		return nil, err
	}
	query, err := url.ParseQuery(q.URL.RawQuery)
	if err != nil {
		return nil, malformed([]*Violation{{Description: "the query cannot be read: " + err.Error()}})
	}
	wrong, rest := to.check(query, params, body)
	wrong = append(wrong, checkPath(params)...)
	keys := keysOf(q)
	if len(keys) > 0 {
		if text := checkKey(keys); text != "" {
			wrong = append(wrong, &Violation{Field: keyField, Description: text})
			keys = nil
		}
	}
	if len(wrong) == 0 {
		return to.masked(q.Context(), query[maskField]), nil
	}
	return nil, malformed(wrong, r.breaches(to, params, rest, keys))
}

// checkPath returns the fields in the path of a request that gRPC could not carry, or that are refused anyway.
func checkPath(params map[string]string) (wrong []*Violation) {
	for _, name := range slices.Sorted(maps.Keys(params)) {
		if text := unclear(params[name]); text != "" {
			wrong = append(wrong, &Violation{Field: name, Description: text})
		}
	}
	return wrong
}

// checkMedia says why the body of a request cannot be read as JSON, "" where it can, or there is none. A body
// of which nothing is said is taken for JSON.
func checkMedia(q *http.Request) string {
	if q.ContentLength == 0 {
		return ""
	}
	if encoding := q.Header.Get("Content-Encoding"); encoding != "" && encoding != "identity" {
		return "the body must not be compressed"
	}
	given := q.Header.Values("Content-Type")
	if len(given) == 0 {
		return ""
	}
	media, params, err := mime.ParseMediaType(given[0])
	if err != nil || len(given) > 1 || media != "application/json" || !strings.EqualFold(cmp.Or(params["charset"], "utf-8"), "utf-8") {
		return "the body must be of the Content-Type application/json"
	}
	return ""
}

// breaches returns the rules that are broken by what can be read of a request.
func (r *rest) breaches(to route, params map[string]string, rest []byte, keys []string) []*Violation {
	kind, err := protoregistry.GlobalTypes.FindMessageByName(to.input.FullName())
	if err != nil {
		return nil
	}
	m := kind.New().Interface()
	options := unmarshal()
	options.DiscardUnknown = true
	if err := options.Unmarshal(rest, m); err != nil {
		return nil // what is wrong with it has been said
	}
	for name, value := range params {
		set(m, name, value)
	}
	var broken *Malformed
	if errors.As(r.examine(m, to.output, keys), &broken) {
		return broken.Violations
	}
	return nil
}

// set sets a field of text.
func set(m proto.Message, name, value string) {
	if fd := field(m.ProtoReflect().Descriptor(), name); fd != nil && fd.Kind() == protoreflect.StringKind {
		m.ProtoReflect().Set(fd, protoreflect.ValueOfString(value))
	}
}

// check returns what the generated code would take no notice of, or take for something else, and the JSON of
// what is right.
func (r route) check(query url.Values, params map[string]string, body []byte) (wrong []*Violation, rest []byte) {
	if !r.body {
		return r.checkQuery(query, params)
	}
	wrong, rest = checkJSON(r.input, body, params)
	for _, name := range slices.Sorted(maps.Keys(query)) {
		wrong = append(wrong, &Violation{Field: clip(name), Description: "this call takes no parameters beside its body"})
	}
	return wrong, rest
}

// checkQuery does so with the parameters of a request without a body.
func (r route) checkQuery(query url.Values, params map[string]string) (wrong []*Violation, rest []byte) {
	right := make(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(query)) {
		fd := field(r.input, name)
		if fd == nil {
			wrong = append(wrong, &Violation{Field: clip(name), Description: "this call has no such parameter"})
			continue
		}
		given := query[name]
		name, value := string(fd.Name()), parameter(fd, given[0])
		_, fixed := params[name]
		switch text := misfit(fd, value); {
		case fixed:
			wrong = append(wrong, &Violation{Field: name, Description: "is given in the path"})
		case right[name] != nil || len(given) > 1:
			wrong = append(wrong, &Violation{Field: name, Description: "is given twice"})
		case text != "":
			wrong = append(wrong, &Violation{Field: name, Description: text})
		}
		right[name] = value
	}
	for _, v := range wrong {
		delete(right, v.GetField())
	}
	rest, err := json.Marshal(right)
	if err != nil {
		return wrong, nil
	}
	return wrong, rest
}

// parameter is the value of a parameter as JSON has it.
func parameter(fd protoreflect.FieldDescriptor, text string) any {
	switch {
	case fd.Kind() == protoreflect.BoolKind && (text == "true" || text == "false"):
		return text == "true"
	case fd.Kind() == protoreflect.EnumKind && decimal.MatchString(text):
		return json.Number(text)
	case string(fd.Name()) == maskField && fd.Message() != nil:
		return camel(text)
	}
	return text
}

// camel spells the names of fields as the JSON of a FieldMask has them.
func camel(paths string) string {
	var out strings.Builder
	words := strings.Split(paths, "_")
	for i, w := range words {
		if i > 0 && w != "" {
			w = strings.ToUpper(w[:1]) + w[1:]
		}
		out.WriteString(w)
	}
	return out.String()
}
