package gateway_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/reflection/grpc_reflection_v1"

	"github.com/refold/refold/schemas/api"
	"github.com/refold/refold/schemas/api/bankv1"
	"github.com/refold/refold/schemas/api/refoldv1"
	"github.com/refold/refold/services/gateway"
)

func TestWhatABrowserFinds(t *testing.T) {
	h := open(t, new(bank), nil)
	for path, want := range map[string]struct{ kind, text string }{
		"/":             {"text/html", "POST /v1/entries"},
		"/openapi.json": {"application/json", `"/v1/entries"`},
		"/healthz":      {"text/plain", "ok"},
		"/readyz":       {"text/plain", "ready"},
	} {
		got := h.send("GET", path, "")
		if got.status != http.StatusOK || !strings.HasPrefix(got.header.Get("Content-Type"), want.kind) || !strings.Contains(got.body, want.text) {
			t.Errorf("%s: got %d %s: %s", path, got.status, got.header.Get("Content-Type"), got.body)
		}
		if got.header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s may be taken for something else", path)
		}
	}
}

func TestEveryPathOfTheDocumentIsServed(t *testing.T) {
	h := open(t, &bank{also: func(r grpc.ServiceRegistrar) {
		bankv1.RegisterReportsServiceServer(r, bankv1.UnimplementedReportsServiceServer{})
		bankv1.RegisterCreditScoreServiceServer(r, bankv1.UnimplementedCreditScoreServiceServer{})
		bankv1.RegisterRewardsServiceServer(r, bankv1.UnimplementedRewardsServiceServer{})
		bankv1.RegisterInboxServiceServer(r, bankv1.UnimplementedInboxServiceServer{})
		bankv1.RegisterProfilesServiceServer(r, bankv1.UnimplementedProfilesServiceServer{})
		refoldv1.RegisterControlServiceServer(r, refoldv1.UnimplementedControlServiceServer{})
	}}, nil)
	var document struct {
		Paths map[string]map[string]any
	}
	if err := json.Unmarshal([]byte(h.send("GET", "/openapi.json", "").body), &document); err != nil {
		t.Fatal(err)
	}
	page := h.send("GET", "/", "").body
	names := strings.NewReplacer("{account_id}", "c1.main", "{customer_id}", "c1", "{projection}", "spending", "{id}", "spending-1",
		"{partition_key}", "c1", "{sort_key}", "c1.main")
	calls := 0
	for path, methods := range document.Paths {
		for method := range methods {
			calls++
			method = strings.ToUpper(method)
			got := h.send(method, names.Replace(path), "{}")
			// The call got through: its service refuses it, or has it not.
			reason, _ := got.reason(t)
			refused := got.status == http.StatusBadRequest && reason == "MALFORMED"
			missing := got.status == http.StatusNotImplemented && reason == "UNIMPLEMENTED"
			if !refused && !missing {
				t.Errorf("%s %s: got %d %s", method, path, got.status, got.body)
			}
			if !strings.Contains(page, "<code>"+method+" ") || !strings.Contains(page, path) {
				t.Errorf("%s %s is not on the page", method, path)
			}
		}
	}
	if on := strings.Count(page, "</td><td><code>"); calls == 0 || on != calls || !strings.Contains(page, `<a href="/v1/projections">`) {
		t.Errorf("got %d calls in the document, %d on the page, want as many, and a link to projections: %s", calls, on, page)
	}
}

func TestReflection(t *testing.T) {
	h := open(t, new(bank), nil)
	stream, err := grpc_reflection_v1.NewServerReflectionClient(h.conn).ServerReflectionInfo(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	err = stream.Send(&grpc_reflection_v1.ServerReflectionRequest{MessageRequest: &grpc_reflection_v1.ServerReflectionRequest_ListServices{}})
	if err != nil {
		t.Fatal(err)
	}
	resp, err := stream.Recv()
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(resp.String(), "bank.v1.TransactionsService") {
		t.Errorf("got %v", resp)
	}
}

// serve runs a server and returns its addresses, its end and what it ended with.
func serve(t *testing.T, b *bank, grace time.Duration) (g, w net.Listener, stop func(), ended chan error) {
	t.Helper()
	v, err := gateway.NewValidator()
	if err != nil {
		t.Fatal(err)
	}
	s := gateway.NewServer(gateway.Config{
		Authenticator: gateway.LocalOperator{}, Validator: v, Grace: grace, Logger: slog.New(slog.DiscardHandler),
	})
	s.Register(func(r grpc.ServiceRegistrar) { bankv1.RegisterTransactionsServiceServer(r, b) })
	g, w = listen(t), listen(t)
	ctx, cancel := context.WithCancel(context.Background())
	ended = make(chan error, 1)
	go func() { ended <- s.Serve(ctx, g, w) }()
	return g, w, cancel, ended
}

// hold makes a call that stays in the service until it is let go, and returns what it is answered.
func hold(t *testing.T, address string, held func() bool) chan error {
	t.Helper()
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	answered := make(chan error, 1)
	go func() {
		_, err := bankv1.NewTransactionsServiceClient(conn).PostEntry(context.Background(), entry())
		answered <- err
	}()
	until(t, "the call is in the service", held)
	return answered
}

func TestStopLetsCallsEnd(t *testing.T) {
	release := make(chan struct{})
	b := &bank{fail: func(context.Context) error { <-release; return nil }}
	g, _, stop, ended := serve(t, b, time.Minute)
	answered := hold(t, g.Addr().String(), func() bool { return len(b.calls()) == 1 })
	stop()
	select {
	case err := <-ended:
		t.Fatalf("the server ended with a call under way: %v", err)
	case err := <-answered:
		t.Fatalf("the call was cut: %v", err)
	case <-time.After(50 * time.Millisecond):
	}
	close(release)
	if err := <-answered; err != nil {
		t.Errorf("the call under way: %v", err)
	}
	if err := <-ended; err != nil {
		t.Errorf("the end: %v", err)
	}
}

func TestStopIsBounded(t *testing.T) {
	b := &bank{fail: func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }}
	g, _, stop, ended := serve(t, b, 50*time.Millisecond)
	answered := hold(t, g.Addr().String(), func() bool { return len(b.calls()) == 1 })
	stop()
	if err := <-answered; err == nil {
		t.Error("the call was answered")
	}
	if err := <-ended; err != nil {
		t.Errorf("the end: %v", err)
	}
}

func TestListenerThatFailsEndsTheServer(t *testing.T) {
	for name, which := range map[string]func(g, w net.Listener) net.Listener{
		"gRPC": func(g, _ net.Listener) net.Listener { return g },
		"HTTP": func(_, w net.Listener) net.Listener { return w },
	} {
		g, w, stop, ended := serve(t, new(bank), time.Second)
		which(g, w).Close()
		if err := <-ended; !errors.Is(err, net.ErrClosed) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: got %v", name, err)
		}
		stop()
	}
}

// Of every write the document says how it is repeated, and how it is put off.
func TestDocumentTellsOfKeys(t *testing.T) {
	var document struct {
		Paths map[string]map[string]struct {
			Tags       []string
			Parameters []struct{ Name, In string }
			Responses  map[string]any
		}
	}
	if err := json.Unmarshal(api.OpenAPI, &document); err != nil {
		t.Fatal(err)
	}
	writes := 0
	for path, methods := range document.Paths {
		call, ok := methods["post"]
		if !ok || !slices.Contains(call.Tags, "TransactionsService") {
			continue
		}
		writes++
		keyed := slices.ContainsFunc(call.Parameters, func(p struct{ Name, In string }) bool { return p.Name == "Idempotency-Key" && p.In == "header" })
		if !keyed || call.Responses["400"] == nil || call.Responses["409"] == nil || call.Responses["413"] == nil || call.Responses["503"] == nil {
			t.Errorf("%s: got %v and %v", path, call.Parameters, call.Responses)
		}
	}
	if writes < 11 {
		t.Errorf("got %d writes, want at least 11", writes)
	}
}
