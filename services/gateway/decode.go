package gateway

import (
	"context"
	"slices"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// registrar registers services so that a request that cannot be decoded is malformed. By itself gRPC answers
// it as an internal error, before any interceptor sees the call.
type registrar struct{ to *grpc.Server }

// RegisterService implements grpc.ServiceRegistrar.
func (r registrar) RegisterService(service *grpc.ServiceDesc, implementation any) {
	checked := *service
	checked.Methods = slices.Clone(service.Methods)
	for i := range checked.Methods {
		checked.Methods[i].Handler = decoding(service.Methods[i].Handler)
	}
	r.to.RegisterService(&checked, implementation)
}

func decoding(handle grpc.MethodHandler) grpc.MethodHandler {
	return func(service any, ctx context.Context, decode func(any) error, through grpc.UnaryServerInterceptor) (any, error) {
		return handle(service, ctx, func(m any) error { return undecoded(decode(m)) }, through)
	}
}

// undecoded returns what to answer for an error of receiving a message.
func undecoded(err error) error {
	if status.Code(err) != codes.Internal {
		return err
	}
	_, why, _ := strings.Cut(status.Convert(err).Message(), "proto:")
	why = strings.TrimLeft(why, " \u00a0")
	if why == "" {
		why = "the bytes are no message"
	}
	return malformed([]*Violation{{Description: "cannot be decoded: " + why}})
}
