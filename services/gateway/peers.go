package gateway

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"
)

// forHeader marks a call that another instance forwards, and says for whom. Such a call is a hop.
const forHeader = "refold-for-bin"

// maxAnswer bounds an answer of a peer, in bytes.
const maxAnswer = 64 << 20

type hopKey struct{}

// Hop reports whether a call that came through a Server was forwarded by another instance.
func Hop(ctx context.Context) bool { return ctx.Value(hopKey{}) != nil }

// forwardedFor returns for whom a call says that it is forwarded, and whether it does.
func forwardedFor(ctx context.Context) (principal string, hop bool) {
	given := metadata.ValueFromIncomingContext(ctx, forHeader)
	if len(given) == 0 {
		return "", false
	}
	return given[0], true
}

// Peers are the other instances of this server, with one connection to each. What is called through them, by
// the context of a call that came through a Server, is called as a hop, for the principal of that call. Its
// methods may be called concurrently.
type Peers struct {
	mu    sync.Mutex
	conns map[string]*grpc.ClientConn // guarded by mu; by address
}

// NewPeers returns peers that are not connected yet. The caller closes them.
func NewPeers() *Peers { return &Peers{conns: make(map[string]*grpc.ClientConn)} }

// Conn returns the connection to an address, which is kept.
func (p *Peers) Conn(address string) (grpc.ClientConnInterface, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if conn := p.conns[address]; conn != nil {
		return conn, nil
	}
	conn, err := grpc.NewClient("passthrough:///"+address,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithUnaryInterceptor(hopUnary),
		grpc.WithStreamInterceptor(hopStream),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxAnswer)),
		// A peer that comes back is to be found at once: the library's own back-off grows to minutes.
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: 20 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: 500 * time.Millisecond},
			MinConnectTimeout: 2 * time.Second,
		}),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 10 * time.Second, Timeout: 5 * time.Second}),
	)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", address, err)
	}
	p.conns[address] = conn
	return conn, nil
}

// Close ends all connections.
func (p *Peers) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	var problems []error
	for _, conn := range p.conns {
		problems = append(problems, conn.Close())
	}
	clear(p.conns)
	return errors.Join(problems...)
}

func asHop(ctx context.Context) context.Context {
	return metadata.AppendToOutgoingContext(ctx, forHeader, PrincipalFrom(ctx))
}

func hopUnary(ctx context.Context, method string, request, response any, conn *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	return invoke(asHop(ctx), method, request, response, conn, opts...)
}

func hopStream(ctx context.Context, desc *grpc.StreamDesc, conn *grpc.ClientConn, method string, open grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	return open(asHop(ctx), desc, conn, method, opts...)
}
