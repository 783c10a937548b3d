package registry

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/twmb/franz-go/pkg/sr"
)

func newClient(t *testing.T, urls ...string) *Client {
	t.Helper()
	c, err := NewClient(ClientConfig{URLs: urls})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestClient(t *testing.T) {
	in := start(t, &memLog{}, Config{})
	c := newClient(t, in.url)
	id, err := c.Register(t.Context(), "s", `{"type":"record","name":"N","fields":[]}`)
	if err != nil || id != 1 {
		t.Fatalf("register: got %d, %v, want 1", id, err)
	}
	if again, err := c.Register(t.Context(), "s", `{"name":"N","fields":[],"type":"record"}`); err != nil || again != id {
		t.Errorf("register again: got %d, %v, want %d", again, err, id)
	}
	const want = `{"type":"record","name":"N","fields":[]}`
	if got, err := c.SchemaByID(t.Context(), id); err != nil || got != want {
		t.Errorf("schema %d: got %s, %v, want %s", id, got, err, want)
	}
	// A schema is asked for once.
	in.stop()
	if err := <-in.result; err != nil {
		t.Fatal(err)
	}
	if got, err := c.SchemaByID(t.Context(), id); err != nil || got != want {
		t.Errorf("schema %d without a registry: got %s, %v, want %s", id, got, err, want)
	}
}

func TestClientResolvesReferences(t *testing.T) {
	in := start(t, &memLog{}, Config{})
	in.do(t, "POST", "/subjects/n/versions", quoted(t, "{\"schema\":`"+`{"type":"enum","name":"N","symbols":["A"]}`+"`}"))
	in.do(t, "POST", "/subjects/s/versions", quoted(t, "{\"schema\":`"+`{"type":"array","items":"N"}`+"`,\"references\":[{\"name\":\"N\",\"subject\":\"n\",\"version\":1}]}"))
	const want = `{"type":"array","items":{"type":"enum","name":"N","symbols":["A"]}}`
	if got, err := newClient(t, in.url).SchemaByID(t.Context(), 2); err != nil || got != want {
		t.Errorf("schema 2: got %s, %v, want %s", got, err, want)
	}
}

func TestClientErrors(t *testing.T) {
	in := start(t, &memLog{}, Config{})
	c := newClient(t, in.url)
	_, err := c.Register(t.Context(), "s", `"integer"`)
	if got := codeOf(err); got != 42201 {
		t.Errorf("register what is no schema: got %v, want code 42201", err)
	}
	if _, err := c.Register(t.Context(), "s", `"int"`); err != nil {
		t.Fatal(err)
	}
	_, err = c.Register(t.Context(), "s", `"string"`)
	if got := codeOf(err); got != 409 {
		t.Errorf("register what is incompatible: got %v, want code 409", err)
	}
	_, err = c.SchemaByID(t.Context(), 77)
	if got := codeOf(err); got != 40403 {
		t.Errorf("read what is not there: got %v, want code 40403", err)
	}
	if _, err := NewClient(ClientConfig{}); err == nil {
		t.Error("a client without a URL: got no error, want one")
	}
}

func codeOf(err error) int {
	var refused *sr.ResponseError
	if errors.As(err, &refused) {
		return refused.ErrorCode
	}
	return 0
}

// TestClientRetries puts a registry that fails in front of one that does not.
func TestClientRetries(t *testing.T) {
	in := start(t, &memLog{}, Config{})
	var calls, failures atomic.Int64
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		if failures.Add(-1) >= 0 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		in.Handler().ServeHTTP(w, r)
	}))
	defer front.Close()
	c, err := NewClient(ClientConfig{URLs: []string{front.URL}, HTTP: front.Client(), Attempts: 3})
	if err != nil {
		t.Fatal(err)
	}
	failures.Store(2)
	if id, err := c.Register(t.Context(), "s", `"int"`); err != nil || id != 1 {
		t.Errorf("register after two failures: got %d, %v, want 1", id, err)
	}
	failures.Store(100)
	calls.Store(0)
	if _, err := c.SchemaByID(t.Context(), 1); err == nil {
		t.Error("read from a registry that fails: got no error, want one")
	}
	if got := calls.Load(); got != 3 {
		t.Errorf("attempts: got %d, want 3", got)
	}
	failures.Store(0)
	calls.Store(0)
	if _, err := c.Register(t.Context(), "s", `"string"`); codeOf(err) != 409 || calls.Load() != 1 {
		t.Errorf("register what is incompatible: got %v after %d calls, want 409 after 1", err, calls.Load())
	}
	failures.Store(100)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.SchemaByID(ctx, 1); !errors.Is(err, context.Canceled) {
		t.Errorf("read after the context ended: got %v, want %v", err, context.Canceled)
	}
}

// TestClientTriesEveryURL lists an instance that is gone before one that is there.
func TestClientTriesEveryURL(t *testing.T) {
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	in := start(t, &memLog{}, Config{})
	if id, err := newClient(t, gone.URL, in.url).Register(t.Context(), "s", `"int"`); err != nil || id != 1 {
		t.Errorf("register: got %d, %v, want 1", id, err)
	}
}
