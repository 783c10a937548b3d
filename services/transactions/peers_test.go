package transactions

import (
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	grpccodes "google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/refold/refold/schemas/api/bankv1"
	"github.com/refold/refold/streams/journal"
)

// member is an instance that others reach over gRPC, as behind a gateway.
type member struct {
	*instance
	address string
	server  *grpc.Server
	hops    atomic.Int64 // that came
	// dialled are connections to others, and clients of this one.
	mu    sync.Mutex
	conns map[string]*grpc.ClientConn // guarded by mu
}

// join starts a member. It ends with its test, or by leave.
func (b *bank) join(name string, options ...option) *member {
	b.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.t.Fatal(err)
	}
	m := &member{address: l.Addr().String(), conns: make(map[string]*grpc.ClientConn)}
	m.instance = b.start(append(options, func(c *journal.Config[*Command, Outcome]) { c.Instance, c.Address = name, m.address })...)
	m.cfg.Principal, m.cfg.Peers, m.cfg.Hop = principalOf, m, hopped
	m.server = grpc.NewServer(grpc.UnaryInterceptor(m.unary), grpc.StreamInterceptor(m.stream))
	bankv1.RegisterTransactionsServiceServer(m.server, m.Server)
	served := make(chan error, 1)
	go func() { served <- m.server.Serve(l) }()
	b.t.Cleanup(func() {
		m.server.Stop()
		if err := <-served; err != nil {
			b.t.Error(err)
		}
		for _, c := range m.conns {
			c.Close()
		}
	})
	return m
}

// leave stops a member as a process stops: it hands over, and then ends what is under way.
func (m *member) leave() {
	m.stop()
	m.server.GracefulStop()
}

// Conn implements Peers.
func (m *member) Conn(address string) (grpc.ClientConnInterface, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if c := m.conns[address]; c != nil {
		return c, nil
	}
	c, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithUnaryInterceptor(func(ctx context.Context, method string, r, a any, c *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
			return invoke(metadata.AppendToOutgoingContext(ctx, "hop", principalOf(ctx)), method, r, a, c, opts...)
		}),
		grpc.WithStreamInterceptor(func(ctx context.Context, d *grpc.StreamDesc, c *grpc.ClientConn, method string, open grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
			return open(metadata.AppendToOutgoingContext(ctx, "hop", principalOf(ctx)), d, c, method, opts...)
		}))
	if err == nil {
		m.conns[address] = c
	}
	return c, err
}

// client returns a client of a member that is somebody.
func (m *member) client(who string) (bankv1.TransactionsServiceClient, context.Context) {
	m.bank.t.Helper()
	c, err := grpc.NewClient(m.address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		m.bank.t.Fatal(err)
	}
	m.bank.t.Cleanup(func() { c.Close() })
	return bankv1.NewTransactionsServiceClient(c), metadata.AppendToOutgoingContext(m.bank.t.Context(), "who", who)
}

type (
	whoKey struct{}
	hopKey struct{}
)

func principalOf(ctx context.Context) string {
	if who, ok := ctx.Value(whoKey{}).(string); ok {
		return who
	}
	return "tester"
}

func hopped(ctx context.Context) bool { return ctx.Value(hopKey{}) != nil }

func (m *member) enter(ctx context.Context) context.Context {
	for _, who := range metadata.ValueFromIncomingContext(ctx, "who") {
		ctx = context.WithValue(ctx, whoKey{}, who)
	}
	for _, who := range metadata.ValueFromIncomingContext(ctx, "hop") {
		m.hops.Add(1)
		ctx = context.WithValue(context.WithValue(ctx, whoKey{}, who), hopKey{}, true)
	}
	return ctx
}

func (m *member) unary(ctx context.Context, r any, _ *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
	a, err := handle(m.enter(ctx), r)
	return a, answered(err)
}

type entered struct {
	grpc.ServerStream
	ctx context.Context
}

func (e entered) Context() context.Context { return e.ctx }

func (m *member) stream(service any, s grpc.ServerStream, _ *grpc.StreamServerInfo, handle grpc.StreamHandler) error {
	return answered(handle(service, entered{s, m.enter(s.Context())}))
}

// answered is what callers are told by the gateway.
func answered(err error) error {
	for sentinel, reason := range map[error]string{
		journal.ErrNotOwner: "NOT_OWNER", journal.ErrBusy: "BUSY", journal.ErrUnavailable: "OUTCOME_UNKNOWN",
	} {
		if errors.Is(err, sentinel) {
			st, _ := status.New(grpccodes.Unavailable, sentinel.Error()).WithDetails(&errdetails.ErrorInfo{Reason: reason})
			return st.Err()
		}
	}
	return err
}

// refusalIn returns the refusal that an error is, here or of a peer; nil where it is none.
func refusalIn(err error) *Refusal {
	var refusal *Refusal
	if err == nil || errors.As(err, &refusal) || status.Code(err) == grpccodes.Unavailable {
		return refusal
	}
	out := &Refusal{Reason: peerReason(err), Detail: status.Convert(err).Message()}
	for _, detail := range status.Convert(err).Details() {
		if record, ok := detail.(*bankv1.Record); ok {
			out.Record = record
		}
	}
	if out.Record == nil {
		return nil
	}
	return out
}
