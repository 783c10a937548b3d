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

// Violation is one thing that is wrong with a request: the path of a field, "" for the whole, and what.
type Violation = errdetails.BadRequest_FieldViolation

// Malformed is the error of a request that breaks the rules of its schema. It holds all violations.
type Malformed struct {
	Violations []*Violation
}

func malformed(field, description string) error {
	return &Malformed{Violations: []*Violation{{Field: field, Description: description}}}
}

func (m *Malformed) Error() string {
	var texts []string
	for _, v := range m.Violations {
		texts = append(texts, strings.TrimPrefix(v.GetField()+": "+v.GetDescription(), ": "))
	}
	return strings.Join(texts, "; ")
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
func (v *Validator) Validate(m proto.Message) error { return v.check(m) }

// shallow checks a message and leaves out the messages in it. That is for streams: an item of a batch is
// answered by itself, and must not end the stream.
func (v *Validator) shallow(m proto.Message) error {
	whole := m.ProtoReflect().Descriptor()
	own := func(at protoreflect.Message, _ protoreflect.Descriptor) bool { return at.Descriptor() == whole }
	return v.check(m, protovalidate.WithFilter(protovalidate.FilterFunc(own)))
}

func (v *Validator) check(m proto.Message, options ...protovalidate.ValidationOption) error {
	err := v.rules.Validate(m, options...)
	if err == nil {
		return nil
	}
	var broken *protovalidate.ValidationError
	if !errors.As(err, &broken) {
		return fmt.Errorf("validate %s: %w", m.ProtoReflect().Descriptor().FullName(), err)
	}
	out := &Malformed{}
	for _, b := range broken.Violations {
		out.Violations = append(out.Violations, &Violation{
			Field:       protovalidate.FieldPathString(b.Proto.GetField()),
			Description: b.Proto.GetMessage(),
			Reason:      b.Proto.GetRuleId(),
		})
	}
	return out
}
