package gateway

import (
	"context"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Caller is who calls.
type Caller struct {
	Principal string
	// Peer says that the caller is another instance of this server, and trusted: it may say for whom it
	// forwards a call. Nobody else may. Who is a peer is decided here and nowhere else.
	Peer bool
}

// Authenticator says who calls.
type Authenticator interface {
	// Authenticate returns who calls, by the metadata of the call's context. An error refuses the call; its
	// GRPCStatus, where it has one, is what the caller is told.
	Authenticate(ctx context.Context) (Caller, error)
}

// LocalOperator lets everybody in as "local-operator", and as a peer. It is for a server that nobody else can
// reach.
type LocalOperator struct{}

// Authenticate implements Authenticator.
func (LocalOperator) Authenticate(context.Context) (Caller, error) {
	return Caller{Principal: "local-operator", Peer: true}, nil
}

type principalKey struct{}

// PrincipalFrom returns for whom a call is made, by the context of a call that came through a Server; "" of
// any other.
func PrincipalFrom(ctx context.Context) string {
	principal, _ := ctx.Value(principalKey{}).(string)
	return principal
}

// enter returns the context of a call whose principal is known.
func (s *Server) enter(ctx context.Context) (context.Context, error) {
	caller, err := s.cfg.Authenticator.Authenticate(ctx)
	if err != nil {
		return nil, err
	}
	principal, hop := forwardedFor(ctx)
	switch {
	case !hop:
		principal = caller.Principal
	case caller.Peer:
		ctx = context.WithValue(ctx, hopKey{}, true)
	default:
		return nil, status.Error(codes.PermissionDenied, "only another instance of this server may forward a call")
	}
	return context.WithValue(ctx, principalKey{}, principal), nil
}
