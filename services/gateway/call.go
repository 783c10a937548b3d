package gateway

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime/debug"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// unary is what a call of one request comes through.
func (s *Server) unary(ctx context.Context, request any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (response any, err error) {
	defer func() { err = s.answer(info.FullMethod, panicked(recover(), err)) }()
	if ctx, err = s.enter(ctx); err != nil {
		return nil, err
	}
	m, ok := request.(proto.Message)
	if !ok {
		return handle(ctx, request)
	}
	answer := answerOf(info.FullMethod)
	if err := s.examine(m, answer, metadata.ValueFromIncomingContext(ctx, keyHeader)); err != nil {
		return nil, err
	}
	wanted, _ := maskOf(m, answer)
	response, err = handle(ctx, request)
	if out, ok := response.(proto.Message); ok && err == nil {
		wanted.cut(out.ProtoReflect())
	}
	return response, err
}

// examine puts the key beside a request into it, and returns everything that is wrong with both, and with what is wanted
// of the answer.
func (s *Server) examine(m proto.Message, answer protoreflect.MessageDescriptor, keys []string) error {
	if err := decoded(m); err != nil {
		return err
	}
	_, wrong := maskOf(m, answer)
	wrong = append(wrong, takeKey(m, keys)...)
	err := s.cfg.Validator.Validate(m)
	if broken := new(Malformed); errors.As(err, &broken) {
		return malformed(wrong, broken.Violations)
	}
	return cmp.Or(err, malformed(wrong))
}

// stream is what a stream comes through.
func (s *Server) stream(service any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handle grpc.StreamHandler) (err error) {
	defer func() { err = s.answer(info.FullMethod, panicked(recover(), err)) }()
	ctx, err := s.enter(stream.Context())
	if err != nil {
		return err
	}
	check := s.cfg.Validator.Validate
	if info.IsClientStream {
		check = s.cfg.Validator.shallow
	}
	return handle(service, &call{ServerStream: stream, ctx: ctx, check: check})
}

// call is a stream whose principal is known and whose messages are checked as they come.
type call struct {
	grpc.ServerStream
	ctx   context.Context
	check func(proto.Message) error
}

// Context implements grpc.ServerStream.
func (c *call) Context() context.Context { return c.ctx }

// RecvMsg implements grpc.ServerStream.
func (c *call) RecvMsg(message any) error {
	if err := c.ServerStream.RecvMsg(message); err != nil {
		return err
	}
	m, ok := message.(proto.Message)
	if !ok {
		return nil
	}
	if err := decoded(m); err != nil {
		return err
	}
	return c.check(m)
}

// panicked returns what became of a call: what it panicked with, if it did. The process goes on, as it does
// behind net/http: other calls share nothing with this one.
func panicked(with any, err error) error {
	if with == nil {
		return err
	}
	return fmt.Errorf("panic: %v\n%s", with, debug.Stack())
}

// unknown answers calls of methods that nobody registered.
func unknown(_ any, stream grpc.ServerStream) error {
	method, _ := grpc.MethodFromServerStream(stream)
	return status.Errorf(codes.Unimplemented, "this server has no method %s", method)
}
