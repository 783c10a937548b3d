package gateway

import (
	"errors"
	"fmt"
	"strings"

	"buf.build/go/protovalidate"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Bounds of what an answer tells of a request. Over gRPC details are a header, and many clients take no
// more than 8 KB of headers.
const (
	maxViolations = 100
	maxTold       = 4 << 10 // bytes of all violations
	maxSummary    = 512     // bytes of the message
	maxItems      = 1000    // of a list that is looked through without asking whether it may be so long
)

// Violation is one thing that is wrong with a request: the path of a field, "" for the whole, and what.
type Violation = errdetails.BadRequest_FieldViolation

// Malformed is the error of a request that breaks the rules of its schema. It holds all violations, one of
// each field; where they are more than an answer holds, the last one says how many are left out.
type Malformed struct {
	Violations []*Violation
}

// malformed returns the error of a request with several lists of violations, nil where there are none. Of a
// field the first one counts, and of fields within it none.
func malformed(lists ...[]*Violation) error {
	out := &Malformed{}
	told, all := 0, 0
	known := make(map[string]bool)
	for _, list := range lists {
		for _, v := range list {
			if within(v.GetField(), known) {
				continue
			}
			known[v.GetField()] = v.GetField() != ""
			all++
			told += len(v.GetField()) + len(v.GetDescription())
			if len(out.Violations) < maxViolations && told <= maxTold {
				out.Violations = append(out.Violations, v)
			}
		}
	}
	if left := all - len(out.Violations); left > 0 {
		out.Violations = append(out.Violations, &Violation{Description: fmt.Sprintf("%d more fields are wrong", left)})
	}
	if all == 0 {
		return nil
	}
	return out
}

// within reports whether a path is one of those known, or that of a field within one.
func within(path string, known map[string]bool) bool {
	for at := path; at != ""; at = at[:max(0, strings.LastIndexAny(at, ".["))] {
		if known[at] {
			return true
		}
	}
	return false
}

func (m *Malformed) Error() string {
	var out strings.Builder
	for i, v := range m.Violations {
		text := strings.TrimPrefix(v.GetField()+": "+v.GetDescription(), ": ")
		if i > 0 && out.Len()+len(text) > maxSummary {
			return fmt.Sprintf("%s; and %d more", out.String(), len(m.Violations)-i)
		}
		if i > 0 {
			out.WriteString("; ")
		}
		out.WriteString(text)
	}
	return out.String()
}

// GRPCStatus returns the error as callers are told it.
func (m *Malformed) GRPCStatus() *status.Status {
	return detailed(codes.InvalidArgument, m.Error(), info(reasonMalformed), &errdetails.BadRequest{FieldViolations: m.Violations})
}

// Validator checks messages by the rules in their .proto files. It may be used concurrently.
type Validator struct {
	rules protovalidate.Validator
}

// NewValidator returns a validator of messages of every kind.
func NewValidator() (*Validator, error) {
	rules, err := protovalidate.New()
	if err != nil {
		return nil, fmt.Errorf("build a validator: %w", err)
	}
	return &Validator{rules: rules}, nil
}

// Validate checks a message and all messages in it. It returns a *Malformed with every violation, or nil;
// any other error is a mistake in a .proto file.
//
// No string may hold what could make a line look like another one: see text.go.
func (v *Validator) Validate(m proto.Message) error {
	if long(m.ProtoReflect()) {
		// A list that is too long is not looked through.
		if err := v.shallow(m); err != nil {
			return err
		}
	}
	return v.check(m, append(checkText(m.ProtoReflect()), checkZone(m.ProtoReflect())...))
}

// shallow checks a message and leaves out the messages in it. That is for streams: an item of a batch is
// answered by itself, and must not end the stream.
func (v *Validator) shallow(m proto.Message) error {
	whole := m.ProtoReflect().Descriptor()
	own := func(at protoreflect.Message, _ protoreflect.Descriptor) bool { return at.Descriptor() == whole }
	return v.check(m, nil, protovalidate.WithFilter(protovalidate.FilterFunc(own)))
}

// check checks a message of which some violations are known.
func (v *Validator) check(m proto.Message, known []*Violation, options ...protovalidate.ValidationOption) error {
	err := v.rules.Validate(m, options...)
	if err == nil && len(known) == 0 {
		return nil
	}
	var broken *protovalidate.ValidationError
	if err != nil && !errors.As(err, &broken) {
		return fmt.Errorf("validate %s: %w", m.ProtoReflect().Descriptor().FullName(), err)
	}
	var found []*Violation
	if broken != nil {
		for _, b := range broken.Violations {
			found = append(found, &Violation{Field: protovalidate.FieldPathString(b.Proto.GetField()), Description: words(b)})
		}
	}
	return malformed(known, found)
}

// long reports whether a message has a list that is longer than any call takes.
func long(m protoreflect.Message) bool {
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		if fd := fields.Get(i); fd.IsList() && m.Get(fd).List().Len() > maxItems {
			return true
		}
	}
	return false
}
