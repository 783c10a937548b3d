package gateway_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/refold/refold/projections/acts"
	"github.com/refold/refold/projections/engine"
	"github.com/refold/refold/schemas/api/bankv1"
	"github.com/refold/refold/services/gateway"
	"github.com/refold/refold/streams/journal"
	"github.com/refold/refold/streams/note"
	"github.com/refold/refold/streams/position"
)

// refusal is the typed error of a service.
type refusal struct{}

func (refusal) Error() string { return "no" }

func (refusal) GRPCStatus() *status.Status {
	st, err := status.New(codes.FailedPrecondition, "there is not enough").WithDetails(&errdetails.ErrorInfo{Reason: "INSUFFICIENT_FUNDS", Domain: "refold"})
	if err != nil {
		return status.New(codes.Internal, err.Error())
	}
	return st
}

// well is an error that claims to be none.
type well struct{}

func (well) Error() string              { return "secret" }
func (well) GRPCStatus() *status.Status { return nil }

func TestErrors(t *testing.T) {
	for name, c := range map[string]struct {
		err     error
		code    codes.Code
		reason  string
		message string
		http    int
		retry   string
	}{
		"typed":                 {fmt.Errorf("decide: %w", refusal{}), codes.FailedPrecondition, "INSUFFICIENT_FUNDS", "there is not enough", 400, ""},
		"plain status":          {status.Error(codes.NotFound, "no account"), codes.NotFound, "NOT_FOUND", "no account", 404, ""},
		"status of OK":          {well{}, codes.Internal, "INTERNAL", "internal error", 500, ""},
		"deadline":              {fmt.Errorf("wait: %w", context.DeadlineExceeded), codes.DeadlineExceeded, "DEADLINE_EXCEEDED", "context deadline exceeded", 504, ""},
		"unknown name":          {fmt.Errorf("%w: %q", engine.ErrUnknown, "x"), codes.NotFound, "PROJECTION_NOT_FOUND", engine.ErrUnknown.Error() + `: "x"`, 404, ""},
		"not here":              {fmt.Errorf("secret: %w", engine.ErrNotHere), codes.Unavailable, "NOT_HERE", engine.ErrNotHere.Error(), 503, "1"},
		"behind":                {fmt.Errorf("%w: %w", engine.ErrBehind, context.Canceled), codes.DeadlineExceeded, "PROJECTION_BEHIND", engine.ErrBehind.Error(), 504, "1"},
		"act refused":           {fmt.Errorf("promote: %w", &acts.Refusal{Why: "it differs"}), codes.FailedPrecondition, "ACT_REFUSED", "it differs", 400, ""},
		"bad token":             {fmt.Errorf("min_position: %w", position.ErrToken), codes.InvalidArgument, "BAD_TOKEN", "min_position: not a position token", 400, ""},
		"busy":                  {fmt.Errorf("secret: %w", journal.ErrBusy), codes.Unavailable, "BUSY", journal.ErrBusy.Error(), 503, "1"},
		"outcome unknown":       {fmt.Errorf("secret: %w", journal.ErrUnavailable), codes.Unavailable, "OUTCOME_UNKNOWN", journal.ErrUnavailable.Error(), 503, "1"},
		"unknown whether noted": {fmt.Errorf("secret: %w", note.ErrUnknown), codes.Unavailable, "OUTCOME_UNKNOWN", note.ErrUnknown.Error(), 503, "1"},
		"not the owner":         {fmt.Errorf("secret: %w", journal.ErrNotOwner), codes.Unavailable, "NOT_OWNER", journal.ErrNotOwner.Error(), 503, "1"},
		"anything else":         {errors.New("dial tcp secret"), codes.Internal, "INTERNAL", "internal error", 500, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := open(t, &bank{fail: func(context.Context) error { return c.err }}, nil)
			_, err := h.client.PostEntry(t.Context(), entry())
			reason, _ := told(err)
			if st := status.Convert(err); st.Code() != c.code || reason != "refold/"+c.reason || st.Message() != c.message {
				t.Errorf("got %s %s %q, want %s %s %q", st.Code(), reason, st.Message(), c.code, c.reason, c.message)
			}
			got := h.send("POST", "/v1/entries", entryJSON)
			restReason, _ := got.reason(t)
			if got.status != c.http || restReason != c.reason || got.header.Get("Retry-After") != c.retry || strings.Contains(got.body, "secret") {
				t.Errorf("over REST: got %d %s, retry after %q: %s", got.status, restReason, got.header.Get("Retry-After"), got.body)
			}
		})
	}
}

// What is wrong with a field is told under its name, whoever has found it.
func TestBadTokenNamesItsField(t *testing.T) {
	h := open(t, &bank{fail: func(context.Context) error { return fmt.Errorf("min_position: %w", position.ErrToken) }}, nil)
	_, err := h.client.PostEntry(t.Context(), entry())
	if _, fields := told(err); fields["min_position"] != position.ErrToken.Error() {
		t.Errorf("got %v, want it told of min_position", fields)
	}
}

func TestInternalErrorsAreLoggedUnderTheirID(t *testing.T) {
	h := open(t, &bank{fail: func(context.Context) error { return errors.New("the disk is on fire") }}, nil)
	_, err := h.client.PostEntry(t.Context(), entry())
	id := ""
	for _, d := range status.Convert(err).Details() {
		if info, ok := d.(*errdetails.ErrorInfo); ok {
			id = info.GetMetadata()["correlation_id"]
		}
	}
	if logged := h.log.String(); id == "" || !strings.Contains(logged, id) || !strings.Contains(logged, "the disk is on fire") {
		t.Errorf("got id %q, and logged %s", id, logged)
	}
}

func TestPanicEndsOneCall(t *testing.T) {
	var well atomic.Bool
	h := open(t, &bank{fail: func(context.Context) error {
		if !well.Load() {
			panic("a mistake")
		}
		return nil
	}}, nil)
	if _, err := h.client.PostEntry(t.Context(), entry()); status.Code(err) != codes.Internal || strings.Contains(err.Error(), "mistake") {
		t.Errorf("got %v, want an internal error", err)
	}
	if !strings.Contains(h.log.String(), "a mistake") {
		t.Error("the panic was not logged")
	}
	well.Store(true)
	if _, err := h.client.PostEntry(t.Context(), entry()); err != nil {
		t.Errorf("the next call: %v", err)
	}
}

func TestRulesOverGRPC(t *testing.T) {
	h := open(t, new(bank), nil)
	_, err := h.client.PostEntry(t.Context(), &bankv1.PostEntryRequest{AccountId: "c1.main", AmountMinor: -1, Currency: "EUR", Kind: 99})
	reason, fields := told(err)
	if status.Code(err) != codes.InvalidArgument || reason != "refold/MALFORMED" {
		t.Errorf("got %v with reason %s", err, reason)
	}
	for _, field := range []string{"idempotency_key", "amount_minor", "kind"} {
		if fields[field] == "" {
			t.Errorf("got violations %v, want one of %s", fields, field)
		}
	}
	if calls := h.calls(); len(calls) != 0 {
		t.Errorf("the service was asked: %v", calls)
	}
}

func TestIdempotencyKeyOverGRPC(t *testing.T) {
	h := open(t, new(bank), nil)
	for name, c := range map[string]struct {
		field string
		given []string
		want  string // "" where the call is refused
	}{
		"beside the request": {"", []string{"m1"}, "m1"},
		"both, equal":        {"m1", []string{"m1"}, "m1"},
		"both, different":    {"k1", []string{"m1"}, ""},
		"twice":              {"", []string{"m1", "m1"}, ""},
		"empty":              {"", []string{""}, ""},
		"empty beside field": {"k1", []string{""}, ""},
		"too long":           {"", []string{strings.Repeat("x", 256)}, ""},
		"neither":            {"", nil, ""},
	} {
		before := len(h.calls())
		ctx := metadata.NewOutgoingContext(t.Context(), metadata.MD{"idempotency-key": c.given})
		r := entry()
		r.IdempotencyKey = c.field
		_, err := h.client.PostEntry(ctx, r)
		asked := h.calls()[before:]
		if c.want == "" {
			if _, fields := told(err); status.Code(err) != codes.InvalidArgument || fields["idempotency_key"] == "" || len(asked) != 0 {
				t.Errorf("%s: got %v and %d calls", name, err, len(asked))
			}
			continue
		}
		if err != nil || len(asked) != 1 || keyOf(asked[0]) != c.want {
			t.Errorf("%s: got %v and %v, want key %s", name, err, asked, c.want)
		}
	}
}

// submit sends one message on a stream of its own.
func (h *house) submit(r *bankv1.SubmitRequest) error {
	h.t.Helper()
	stream, err := h.client.Submit(h.t.Context())
	if err != nil {
		h.t.Fatal(err)
	}
	if err := stream.Send(r); err != nil && !errors.Is(err, io.EOF) {
		h.t.Fatal(err)
	}
	if err := stream.CloseSend(); err != nil {
		h.t.Fatal(err)
	}
	for {
		if _, err := stream.Recv(); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

func TestCommandOfABatchDoesNotEndTheStream(t *testing.T) {
	h := open(t, new(bank), nil)
	bad := &bankv1.Command{Tag: 1, Command: &bankv1.Command_PostEntry{PostEntry: &bankv1.PostEntryRequest{AmountMinor: -1}}}
	if err := h.submit(&bankv1.SubmitRequest{Commands: []*bankv1.Command{bad}}); err != nil {
		t.Errorf("got %v, want the command to reach the service", err)
	}
	if len(h.calls()) != 1 || h.principals[0] != "local-operator" {
		t.Errorf("got %d calls of %v, want one of local-operator", len(h.calls()), h.principals)
	}
	v, err := gateway.NewValidator()
	if err != nil {
		t.Fatal(err)
	}
	_, fields := told(v.Validate(bad.GetPostEntry()))
	for _, field := range []string{"idempotency_key", "account_id", "kind", "amount_minor", "currency"} {
		if fields[field] == "" {
			t.Errorf("got violations %v, want one of %s", fields, field)
		}
	}
	if err := v.Validate(entry()); err != nil {
		t.Errorf("got %v, want none", err)
	}
}

func TestBatchIsBounded(t *testing.T) {
	h := open(t, new(bank), nil)
	for _, n := range []int{0, 5001} {
		r := &bankv1.SubmitRequest{}
		for range n {
			r.Commands = append(r.Commands, &bankv1.Command{})
		}
		err := h.submit(r)
		if _, fields := told(err); status.Code(err) != codes.InvalidArgument || fields["commands"] == "" {
			t.Errorf("%d commands: got %v", n, err)
		}
	}
	if calls := h.calls(); len(calls) != 0 {
		t.Errorf("the service was asked %d times", len(calls))
	}
}

func TestMessageIsBounded(t *testing.T) {
	h := open(t, new(bank), nil)
	r := entry()
	r.Merchant = strings.Repeat("x", 4<<20)
	if _, err := h.client.PostEntry(t.Context(), r); status.Code(err) != codes.ResourceExhausted {
		t.Errorf("got %v, want ResourceExhausted", err)
	}
}

func TestUnknownMethod(t *testing.T) {
	h := open(t, new(bank), nil)
	err := h.conn.Invoke(t.Context(), "/bank.v1.TransactionsService/Steal", entry(), new(bankv1.PostEntryResponse))
	if reason, _ := told(err); status.Code(err) != codes.Unimplemented || reason != "refold/UNIMPLEMENTED" {
		t.Errorf("got %v with reason %s", err, reason)
	}
}

// nobody lets nobody in.
type nobody struct{}

func (nobody) Authenticate(context.Context) (gateway.Caller, error) {
	return gateway.Caller{}, status.Error(codes.Unauthenticated, "who are you?")
}

func TestAuthenticatorRefuses(t *testing.T) {
	h := open(t, new(bank), func(c *gateway.Config) { c.Authenticator = nobody{} })
	if _, err := h.client.PostEntry(t.Context(), entry()); status.Code(err) != codes.Unauthenticated {
		t.Errorf("got %v, want Unauthenticated", err)
	}
	if err := h.submit(&bankv1.SubmitRequest{Commands: []*bankv1.Command{{}}}); status.Code(err) != codes.Unauthenticated {
		t.Errorf("on a stream: got %v, want Unauthenticated", err)
	}
	if got := h.send("POST", "/v1/entries", entryJSON); got.status != http.StatusUnauthorized {
		t.Errorf("over REST: got %d, want 401", got.status)
	}
	if calls := h.calls(); len(calls) != 0 {
		t.Errorf("the service was asked: %v", calls)
	}
}

func TestHealthIsReadiness(t *testing.T) {
	var stuck atomic.Bool
	h := open(t, new(bank), func(c *gateway.Config) {
		c.Ready = func(context.Context) error {
			if stuck.Load() {
				return errors.New("spending is stuck")
			}
			return nil
		}
	})
	client := grpc_health_v1.NewHealthClient(h.conn)
	check := func(service string) grpc_health_v1.HealthCheckResponse_ServingStatus {
		resp, err := client.Check(t.Context(), &grpc_health_v1.HealthCheckRequest{Service: service})
		if err != nil {
			t.Fatal(err)
		}
		return resp.GetStatus()
	}
	if got := check("bank.v1.TransactionsService"); got != grpc_health_v1.HealthCheckResponse_SERVING {
		t.Errorf("got %s, want SERVING", got)
	}
	if got := h.send("GET", "/readyz", ""); got.status != http.StatusOK {
		t.Errorf("got %d, want 200", got.status)
	}
	stuck.Store(true)
	if got := check(""); got != grpc_health_v1.HealthCheckResponse_NOT_SERVING {
		t.Errorf("got %s, want NOT_SERVING", got)
	}
	if got := h.send("GET", "/readyz", ""); got.status != http.StatusServiceUnavailable || !strings.Contains(got.body, "spending is stuck") {
		t.Errorf("got %d: %s", got.status, got.body)
	}
	if got := h.send("GET", "/healthz", ""); got.status != http.StatusOK {
		t.Errorf("got %d, want 200: the process lives", got.status)
	}
	if _, err := client.Check(t.Context(), &grpc_health_v1.HealthCheckRequest{Service: "bank.v1.Nothing"}); status.Code(err) != codes.NotFound {
		t.Errorf("got %v, want NotFound", err)
	}
}

func BenchmarkValidate(b *testing.B) {
	v, err := gateway.NewValidator()
	if err != nil {
		b.Fatal(err)
	}
	m := proto.CloneOf(entry())
	b.ReportAllocs()
	for b.Loop() {
		if err := v.Validate(m); err != nil {
			b.Fatal(err)
		}
	}
}
