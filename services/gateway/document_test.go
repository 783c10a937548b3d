package gateway_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/refold/refold/schemas/api"
)

// document is what an OpenAPI document says, as far as it is looked at here.
type document struct {
	Paths       map[string]map[string]operation
	Definitions map[string]struct{ Example json.RawMessage }
}

type operation struct {
	OperationID string
	Produces    []string
	Parameters  []struct {
		In     string
		Schema struct {
			Ref string `json:"$ref"`
		}
	}
	Responses map[string]struct{ Examples map[string]json.RawMessage }
}

func theDocument(t *testing.T) document {
	t.Helper()
	var d document
	if err := json.Unmarshal(api.OpenAPI, &d); err != nil {
		t.Fatal(err)
	}
	return d
}

// method returns the method of an operation.
func (o operation) method(t *testing.T) protoreflect.MethodDescriptor {
	t.Helper()
	service, method, _ := strings.Cut(o.OperationID, "_")
	for _, pkg := range []string{"bank.v1.", "refold.v1."} {
		if d, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(pkg + service + "." + method)); err == nil {
			return d.(protoreflect.MethodDescriptor)
		}
	}
	t.Fatalf("no .proto file has %s", o.OperationID)
	return nil
}

// is checks that an example is JSON of a message, which says something.
func is(t *testing.T, what string, example json.RawMessage, m protoreflect.MessageDescriptor) {
	t.Helper()
	got := newMessage(t, m)
	if err := protojson.Unmarshal(example, got.Interface()); err != nil {
		t.Errorf("%s is no %s: %v: %s", what, m.FullName(), err, example)
	}
	set := 0
	got.Range(func(protoreflect.FieldDescriptor, protoreflect.Value) bool { set++; return true })
	if set == 0 {
		t.Errorf("%s: got %q, want an example that says something", what, example)
	}
}

// Of every call there is an example of what is sent, what is answered and how it is refused, and each is what its
// message can be.
func TestEveryCallHasExamples(t *testing.T) {
	d := theDocument(t)
	for path, calls := range d.Paths {
		for verb, o := range calls {
			name, m := verb+" "+path, o.method(t)
			good := o.Responses["200"].Examples
			if len(good) != 1 {
				t.Errorf("%s: got examples of its answer %v, want one", name, good)
			}
			for media, example := range good {
				if media == "application/json" {
					is(t, name+": the answer", example, m.Output())
				} else if !slices.Contains(o.Produces, media) || m.Output().FullName() != "google.api.HttpBody" {
					t.Errorf("%s: got an example of %s, and it produces %v", name, media, o.Produces)
				}
			}
			o.refusals(t, name)
			d.body(t, name, o)
		}
	}
}

// refusals checks the examples of how a call is refused: each under its own status.
func (o operation) refusals(t *testing.T, name string) {
	t.Helper()
	bad := 0
	for code, r := range o.Responses {
		example, ok := r.Examples["application/json"]
		if !ok || code == "200" {
			continue
		}
		bad++
		var problem status.Status
		if err := protojson.Unmarshal(example, &problem); err != nil || len(problem.GetDetails()) == 0 || !strings.Contains(string(example), `"domain": "refold"`) && !strings.Contains(string(example), `"domain":"refold"`) {
			t.Errorf("%s: %s is no problem of this API: %v: %s", name, code, err, example)
		}
		if want := strconv.Itoa(runtime.HTTPStatusFromCode(codes.Code(problem.GetCode()))); code != want {
			t.Errorf("%s: an example of %s is under %s", name, want, code)
		}
	}
	if bad == 0 {
		t.Errorf("%s has no example of how it is refused", name)
	}
}

// body checks the example of what is sent, which may be empty where there need not be anything in it.
func (d document) body(t *testing.T, name string, o operation) {
	t.Helper()
	for _, p := range o.Parameters {
		if p.In != "body" {
			continue
		}
		example := d.Definitions[strings.TrimPrefix(p.Schema.Ref, "#/definitions/")].Example
		if example != nil {
			is(t, name+": the body", example, o.method(t).Input())
		} else if must := o.must(t); must != "" {
			t.Errorf("%s has no example of what is sent, and must be told %s", name, must)
		}
	}
}

// must returns a field of the body that the validator wants, "" where there is none.
func (o operation) must(t *testing.T) string {
	t.Helper()
	fields := o.method(t).Input().Fields()
	for i := range fields.Len() {
		switch fd := fields.Get(i); {
		case fd.Name() == "idempotency_key" || strings.HasSuffix(string(fd.Name()), "_id") || fd.Name() == "id" || fd.Name() == "projection":
		case strings.Contains(fd.Options().(interface{ String() string }).String(), "min_len"):
			return string(fd.Name())
		}
	}
	return ""
}

// What can be watched says so. What all customers spent is of all partitions.
func TestDocumentTellsOfStreams(t *testing.T) {
	for path, calls := range theDocument(t).Paths {
		for verb, o := range calls {
			m := o.method(t)
			watched := strings.EqualFold(verb, http.MethodGet) && m.Output().Fields().ByName("freshness") != nil && m.Input().Fields().ByName("min_position") != nil && m.Name() != "GetBankSpending"
			if said := slices.Contains(o.Produces, "text/event-stream"); said != watched {
				t.Errorf("%s %s: the document says %t, and it can be watched: %t", verb, path, said, watched)
			}
		}
	}
}
