// Package gateway is the door of the process: every call of every service comes through it, over gRPC or
// over REST, and it knows none of them.
//
// A call is met by call.go: somebody asks (principal.go), the Idempotency-Key is put where it belongs
// (key.go), the request keeps the rules of its schema (validate.go), and whatever goes wrong becomes one
// status with a stable reason (errors.go). REST is the same call: rest.go hands it to the gRPC server, once
// json.go and request.go have refused what would otherwise be misread in silence, and watch.go makes it again
// and again where changes are asked for.
//
// What a caller may rely on: every error is a google.rpc.Status with a google.rpc.ErrorInfo of the domain
// "refold", over REST as JSON, but for what gRPC itself refuses, such as a message of more than 4 MiB; a
// request is refused with everything that is wrong with it at once; no text of a driver and no stack leaves
// the process. In JSON, 64-bit integers are strings, as protojson has it; numbers are taken up to 2^53-1, and
// no fraction or exponent, not even of zero. Fields are named as in the .proto files, and those that are zero
// are shown. Fields that nobody knows are refused over REST; over gRPC they are passed over, as protobuf has
// it. No string may hold control characters, separators of lines, overrides of the writing direction, or
// what is not Unicode; any other text is kept as it is.
package gateway

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/reflection"
)

// Bounds of what one client may ask of the process.
const (
	// maxMessage bounds a gRPC message, maxBody the body of a REST request, both in bytes.
	maxMessage = 4 << 20
	maxBody    = 1 << 20
	// maxStreams bounds the calls of one connection that are under way; a client waits with more. All calls
	// over REST are one client.
	maxStreams = 1024
	// maxHeaders bounds the headers of a request, in bytes, and maxHeaderFields their number over REST.
	maxHeaders      = 64 << 10
	maxHeaderFields = 100
	// maxCall bounds a call over REST. What a client reads has a bound of its own, which must leave time to
	// say so.
	maxCall  = 30 * time.Second
	maxWrite = maxCall + 15*time.Second
	maxIdle  = 2 * time.Minute
)

// Config says who may call, and how the process is. Authenticator and Validator must be set.
type Config struct {
	Authenticator Authenticator
	Validator     *Validator
	// Ready returns why the process cannot serve, in words that anyone may read; nil where it can. It is
	// ready always where the function is nil.
	Ready func(context.Context) error
	// Logger takes what callers are not told; slog.Default() where it is nil.
	Logger *slog.Logger
	// HeaderTimeout is how long a client over HTTP may take for the headers of a request; 5 s where it is
	// zero.
	HeaderTimeout time.Duration
	// ReadTimeout is how long a client may take for a request over HTTP, and for the beginning of a
	// connection over gRPC; 15 s where it is zero.
	ReadTimeout time.Duration
	// Grace is how long calls may take to end once the server stops; 5 s where it is zero.
	Grace time.Duration
	// Heartbeat is after how long a stream of events says that it has nothing to say; 15 s where it is zero. It is
	// said when the call that waits for news comes back.
	Heartbeat time.Duration
	// MaxWatches bounds the streams of events; 256 where it is zero.
	MaxWatches int
}

// Server serves gRPC on one port and REST on another.
type Server struct {
	cfg  Config
	grpc *grpc.Server
}

// NewServer returns a server of health and reflection, to which Register adds. It does no I/O.
func NewServer(cfg Config) *Server {
	cfg.Logger = cmp.Or(cfg.Logger, slog.Default())
	cfg.HeaderTimeout = cmp.Or(cfg.HeaderTimeout, 5*time.Second)
	cfg.ReadTimeout = cmp.Or(cfg.ReadTimeout, 15*time.Second)
	cfg.Grace = cmp.Or(cfg.Grace, 5*time.Second)
	cfg.Heartbeat = cmp.Or(cfg.Heartbeat, 15*time.Second)
	cfg.MaxWatches = cmp.Or(cfg.MaxWatches, 256)
	if cfg.Ready == nil {
		cfg.Ready = func(context.Context) error { return nil }
	}
	s := &Server{cfg: cfg}
	s.grpc = grpc.NewServer(
		grpc.UnaryInterceptor(s.unary),
		grpc.StreamInterceptor(s.stream),
		grpc.UnknownServiceHandler(unknown),
		grpc.ForceServerCodecV2(newCodec()),
		grpc.MaxRecvMsgSize(maxMessage),
		grpc.MaxHeaderListSize(maxHeaders),
		grpc.ConnectionTimeout(cfg.ReadTimeout),
		grpc.MaxConcurrentStreams(maxStreams),
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: time.Minute, Timeout: 20 * time.Second}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 10 * time.Second, PermitWithoutStream: true}),
	)
	grpc_health_v1.RegisterHealthServer(s.grpc, &health{server: s})
	reflection.Register(s.grpc)
	return s
}

// Register adds services. It must not be called once Serve was. Those that have REST paths are served over
// REST too.
func (s *Server) Register(add func(grpc.ServiceRegistrar)) { add(s.grpc) }

// Serve serves until ctx ends, or one of the listeners fails. Calls under way may end within the grace, and
// are cut then. It closes both listeners, and is called once.
func (s *Server) Serve(ctx context.Context, grpcListener, httpListener net.Listener) error {
	conn, web, err := s.web(ctx, grpcListener.Addr())
	if err != nil {
		return errors.Join(err, grpcListener.Close(), httpListener.Close())
	}
	ended := make(chan error, 2)
	go func() { ended <- named("gRPC", grpcListener, s.grpc.Serve(grpcListener)) }()
	go func() { ended <- named("HTTP", httpListener, web.Serve(httpListener)) }()
	var problem error
	pending := 2
	select {
	case <-ctx.Done():
	case problem = <-ended:
		pending--
	}
	s.stop(ctx, web, conn)
	for range pending {
		problem = errors.Join(problem, <-ended)
	}
	return problem
}

// web returns the HTTP server, and its connection to the gRPC server of this process.
func (s *Server) web(ctx context.Context, target net.Addr) (*grpc.ClientConn, *http.Server, error) {
	conn, err := grpc.NewClient("passthrough:///"+target.String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return nil, nil, fmt.Errorf("connect REST to %s: %w", target, err)
	}
	watching, endWatches := context.WithCancel(ctx)
	handler, err := s.handler(watching, conn)
	if err != nil {
		endWatches()
		return nil, nil, errors.Join(err, conn.Close())
	}
	web := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: s.cfg.HeaderTimeout,
		ReadTimeout:       s.cfg.ReadTimeout,
		WriteTimeout:      maxWrite,
		IdleTimeout:       maxIdle,
		MaxHeaderBytes:    maxHeaders,
		ErrorLog:          slog.NewLogLogger(s.cfg.Logger.Handler(), slog.LevelDebug),
	}
	web.RegisterOnShutdown(endWatches) // they would not end by themselves
	return conn, web, nil
}

// stop ends both servers within the grace: REST first, since it calls the other.
func (s *Server) stop(ctx context.Context, web *http.Server, conn *grpc.ClientConn) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.cfg.Grace)
	defer cancel()
	if err := web.Shutdown(ctx); err != nil {
		s.cfg.Logger.Warn("calls over HTTP are cut", "error", errors.Join(err, web.Close()))
	}
	if err := conn.Close(); err != nil {
		s.cfg.Logger.Debug("the connection of REST to gRPC was not closed", "error", err)
	}
	cut := context.AfterFunc(ctx, s.grpc.Stop)
	defer cut()
	s.grpc.GracefulStop()
}

// named says which server ended; nil where it was told to.
func named(protocol string, l net.Listener, err error) error {
	if err == nil || errors.Is(err, http.ErrServerClosed) || errors.Is(err, grpc.ErrServerStopped) {
		return nil
	}
	return fmt.Errorf("serve %s on %s: %w", protocol, l.Addr(), err)
}
