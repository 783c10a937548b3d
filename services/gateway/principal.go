package gateway

import "context"

// Authenticator says who calls.
type Authenticator interface {
	// Authenticate returns the principal of a call, by the metadata of its context. An error refuses the
	// call; its GRPCStatus, where it has one, is what the caller is told.
	Authenticate(ctx context.Context) (principal string, err error)
}

// LocalOperator lets everybody in as "local-operator". It is for a server that nobody else can reach.
type LocalOperator struct{}

// Authenticate implements Authenticator.
func (LocalOperator) Authenticate(context.Context) (string, error) { return "local-operator", nil }

type principalKey struct{}

// PrincipalFrom returns who calls, by the context of a call that came through a Server; "" of any other.
func PrincipalFrom(ctx context.Context) string {
	principal, _ := ctx.Value(principalKey{}).(string)
	return principal
}

// enter returns the context of a call whose principal is known.
func (s *Server) enter(ctx context.Context) (context.Context, error) {
	principal, err := s.cfg.Authenticator.Authenticate(ctx)
	if err != nil {
		return nil, err
	}
	return context.WithValue(ctx, principalKey{}, principal), nil
}
