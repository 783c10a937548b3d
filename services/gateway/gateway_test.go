package gateway_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/refold/refold/schemas/api/bankv1"
	"github.com/refold/refold/services/gateway"
)

// bank is a service that writes down what it was asked.
type bank struct {
	bankv1.UnimplementedTransactionsServiceServer

	// fail is what every call fails with; nil for none. It may panic. It is set before the server runs.
	fail func(context.Context) error
	// also registers other services beside it, where it is not nil.
	also func(grpc.ServiceRegistrar)

	mu         sync.Mutex
	asked      []proto.Message // guarded by mu
	principals []string        // guarded by mu
}

func (b *bank) take(ctx context.Context, m proto.Message) error {
	b.mu.Lock()
	b.asked = append(b.asked, m)
	b.principals = append(b.principals, gateway.PrincipalFrom(ctx))
	b.mu.Unlock()
	if b.fail != nil {
		return b.fail(ctx)
	}
	return nil
}

func (b *bank) OpenAccount(ctx context.Context, r *bankv1.OpenAccountRequest) (*bankv1.OpenAccountResponse, error) {
	return &bankv1.OpenAccountResponse{AccountId: r.GetAccountId()}, b.take(ctx, r)
}

func (b *bank) PostEntry(ctx context.Context, r *bankv1.PostEntryRequest) (*bankv1.PostEntryResponse, error) {
	out := &bankv1.PostEntryResponse{Entry: &bankv1.Entry{Legs: []*bankv1.Leg{{AmountMinor: r.GetAmountMinor()}}}}
	return out, b.take(ctx, r)
}

func (b *bank) FindByKey(ctx context.Context, r *bankv1.FindByKeyRequest) (*bankv1.FindByKeyResponse, error) {
	return &bankv1.FindByKeyResponse{}, b.take(ctx, r)
}

func (b *bank) Submit(stream grpc.BidiStreamingServer[bankv1.SubmitRequest, bankv1.SubmitResponse]) error {
	for {
		r, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := b.take(stream.Context(), r); err != nil {
			return err
		}
		if err := stream.Send(&bankv1.SubmitResponse{Results: make([]*bankv1.Result, 0)}); err != nil {
			return err
		}
	}
}

// calls returns what the bank was asked so far.
func (b *bank) calls() []proto.Message {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.asked
}

// house is a bank behind a gateway that listens.
type house struct {
	t *testing.T
	*bank
	http   string // the address
	client bankv1.TransactionsServiceClient
	conn   *grpc.ClientConn
	log    *logbook
}

// logbook keeps what is logged.
type logbook struct {
	mu   sync.Mutex
	text strings.Builder // guarded by mu
}

func (l *logbook) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *logbook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// open runs a gateway until the test ends. Change, where it is not nil, changes its configuration.
func open(t *testing.T, b *bank, change func(*gateway.Config)) *house {
	t.Helper()
	h := &house{t: t, bank: b, log: new(logbook)}
	v, err := gateway.NewValidator()
	if err != nil {
		t.Fatal(err)
	}
	cfg := gateway.Config{
		Authenticator: gateway.LocalOperator{}, Validator: v,
		Logger: slog.New(slog.NewTextHandler(h.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	if change != nil {
		change(&cfg)
	}
	s := gateway.NewServer(cfg)
	s.Register(func(r grpc.ServiceRegistrar) { bankv1.RegisterTransactionsServiceServer(r, b) })
	if b.also != nil {
		s.Register(b.also)
	}
	g, w := listen(t), listen(t)
	h.http = w.Addr().String()
	if h.conn, err = grpc.NewClient(g.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials())); err != nil {
		t.Fatal(err)
	}
	h.client = bankv1.NewTransactionsServiceClient(h.conn)
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx, g, w) }()
	t.Cleanup(func() {
		h.conn.Close()
		cancel()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return h
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// answer is an answer over REST.
type answer struct {
	status int
	header http.Header
	body   string
}

// problem is the JSON of a google.rpc.Status, with the details that matter.
type problem struct {
	Code    int
	Message string
	Details []struct {
		Type            string `json:"@type"`
		Reason          string
		Domain          string
		Metadata        map[string]string
		FieldViolations []struct{ Field, Description string } `json:"field_violations"`
	}
}

// send sends a request over REST; headers are given as names and values, one after the other.
func (h *house) send(method, path, body string, headers ...string) answer {
	h.t.Helper()
	r, err := http.NewRequestWithContext(h.t.Context(), method, "http://"+h.http+path, strings.NewReader(body))
	if err != nil {
		h.t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		h.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		h.t.Fatal(err)
	}
	return answer{status: resp.StatusCode, header: resp.Header, body: string(text)}
}

// reason returns the reason of a problem, and what it says of each field.
func (a answer) reason(t *testing.T) (reason string, fields map[string]string) {
	t.Helper()
	var p problem
	if err := json.Unmarshal([]byte(a.body), &p); err != nil {
		t.Fatalf("the answer is no status: %v: %s", err, a.body)
	}
	fields = make(map[string]string)
	for _, d := range p.Details {
		if d.Type == "type.googleapis.com/google.rpc.ErrorInfo" && d.Domain == "refold" {
			reason = d.Reason
		}
		for _, v := range d.FieldViolations {
			fields[v.Field] = v.Description
		}
	}
	return reason, fields
}

// told returns the reason of an error over gRPC, and what it says of each field.
func told(err error) (reason string, fields map[string]string) {
	fields = make(map[string]string)
	for _, d := range status.Convert(err).Details() {
		switch d := d.(type) {
		case *errdetails.ErrorInfo:
			reason = d.GetDomain() + "/" + d.GetReason()
		case *errdetails.BadRequest:
			for _, v := range d.GetFieldViolations() {
				fields[v.GetField()] = v.GetDescription()
			}
		}
	}
	return reason, fields
}

// keyOf returns the idempotency key that the service saw.
func keyOf(m proto.Message) string {
	keyed, ok := m.(interface{ GetIdempotencyKey() string })
	if !ok {
		return ""
	}
	return keyed.GetIdempotencyKey()
}

// until waits for a condition.
func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline := time.After(time.Minute)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-deadline:
			t.Fatalf("waited in vain until %s", what)
		case <-tick.C:
		}
	}
}

const entryJSON = `{"idempotency_key":"k1","account_id":"c1.main","kind":"ENTRY_KIND_DEPOSIT","amount_minor":"1250","currency":"EUR"}`

// entry returns a request that is in order.
func entry() *bankv1.PostEntryRequest {
	return &bankv1.PostEntryRequest{
		IdempotencyKey: "k1", AccountId: "c1.main", Kind: bankv1.EntryKind_ENTRY_KIND_DEPOSIT, AmountMinor: 1250, Currency: "EUR",
	}
}

func TestRESTIsTheSameCall(t *testing.T) {
	h := open(t, new(bank), nil)
	if _, err := h.client.PostEntry(t.Context(), entry()); err != nil {
		t.Fatal(err)
	}
	got := h.send("POST", "/v1/entries", entryJSON)
	if got.status != http.StatusOK {
		t.Fatalf("got %d: %s", got.status, got.body)
	}
	for i, m := range h.calls() {
		if !proto.Equal(m, entry()) {
			t.Errorf("call %d: got %v, want %v", i, m, entry())
		}
	}
	for i, p := range h.principals {
		if p != "local-operator" {
			t.Errorf("call %d: got principal %q, want local-operator", i, p)
		}
	}
}

func TestJSONShowsZerosAndNamesOfProto(t *testing.T) {
	h := open(t, new(bank), nil)
	got := h.send("POST", "/v1/entries", entryJSON)
	var body struct {
		Replayed *bool
		Entry    struct {
			Legs []map[string]any
		}
	}
	if err := json.Unmarshal([]byte(got.body), &body); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"account_id": "", "amount_minor": "1250", "currency": "", "balance_after_minor": "0", "account_seq": "0"}
	if body.Replayed == nil || len(body.Entry.Legs) != 1 || !maps.Equal(body.Entry.Legs[0], want) {
		t.Errorf("got %s, want replayed, and a leg of %v", got.body, want)
	}
	for _, name := range []string{"Grpc-Metadata-Content-Type", "Retry-After"} {
		if v := got.header.Get(name); v != "" {
			t.Errorf("got header %s: %s, want none", name, v)
		}
	}
}

// narrow returns a connection that takes no more than some bytes of headers.
func (h *house) narrow(headers uint32) *grpc.ClientConn {
	h.t.Helper()
	conn, err := grpc.NewClient(h.conn.Target(), grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithMaxHeaderListSize(headers))
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { conn.Close() })
	return conn
}

// newMessage returns an empty message of a kind.
func newMessage(t *testing.T, m protoreflect.MessageDescriptor) protoreflect.Message {
	t.Helper()
	kind, err := protoregistry.GlobalTypes.FindMessageByName(m.FullName())
	if err != nil {
		t.Fatal(err)
	}
	return kind.New()
}
