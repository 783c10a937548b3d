package gateway_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/refold/refold/services/gateway"
)

// patience is how long a connection is waited for to be closed: the usual times of a server are not shorter.
const patience = 5 * time.Second

// A client that sends too slowly is let go of, wherever it stops.
func TestSE13SlowClients(t *testing.T) {
	h := open(t, new(bank), func(c *gateway.Config) { c.HeaderTimeout, c.ReadTimeout = time.Second, 1500*time.Millisecond })
	var clients sync.WaitGroup
	post := "POST /v1/entries HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
	for name, c := range map[string]struct{ text, want string }{
		"nothing":               {"", ""},
		"half a line":           {"POST /v1/ent", ""},
		"half the headers":      {post, ""},
		"no body":               {post + "Content-Length: 100\r\n\r\n", "HTTP/1.1 408 "},
		"half a body":           {post + "Content-Length: 100\r\n\r\n{\"idem", "HTTP/1.1 408 "},
		"chunks without an end": {post + "Transfer-Encoding: chunked\r\n\r\n4\r\n    \r\n4\r\n    \r\n", "HTTP/1.1 408 "},
	} {
		clients.Go(func() {
			if got, err := h.raw(c.text); err != nil || !strings.HasPrefix(got, c.want) || c.want == "" && strings.Contains(got, " 200 ") {
				t.Errorf("%s: got %.200q, %v, want %q", name, got, err, c.want)
			}
		})
	}
	for name, text := range map[string]string{"nothing": "", "half a preface": "PRI * HTTP/2.0\r\n", "another protocol": "GET / HTTP/1.1\r\nHost: x\r\n\r\n"} {
		clients.Go(func() {
			if _, err := sendRaw(h.conn.Target(), text); err != nil {
				t.Errorf("gRPC, %s: %v", name, err)
			}
		})
	}
	clients.Wait()
	if calls := h.calls(); len(calls) != 0 {
		t.Errorf("the service was asked: %v", calls)
	}
}

// sendRaw sends bytes over a connection of its own and returns what comes back until it is closed.
func sendRaw(address, text string) (string, error) {
	c, err := net.Dial("tcp", address)
	if err != nil {
		return "", err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		return "", err
	}
	if _, err := io.WriteString(c, text); err != nil {
		return "", err
	}
	answer, err := io.ReadAll(c)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return "", errors.New("the connection is left open")
	}
	return string(answer), nil // it may be reset: the server did not read everything
}

func TestSE13MetadataIsBounded(t *testing.T) {
	h := open(t, new(bank), nil)
	many := metadata.MD{}
	for i := range 10_000 {
		many.Set(fmt.Sprintf("x-%d", i), "value")
	}
	_, err := h.client.PostEntry(metadata.NewOutgoingContext(t.Context(), many), entry())
	if code := status.Code(err); code == codes.OK || code == codes.Unavailable || len(h.calls()) != 0 {
		t.Errorf("got %v and %d calls, want it refused", err, len(h.calls()))
	}
}

func TestSE13CallsOfAConnectionAreBounded(t *testing.T) {
	var inside, beyond atomic.Int64
	held := make(chan struct{})
	release := sync.OnceFunc(func() { close(held) })
	h := open(t, &bank{fail: func(context.Context) error {
		if inside.Add(1) > 1024 {
			beyond.Add(1)
		}
		<-held
		inside.Add(-1)
		return nil
	}}, nil)
	defer release()
	var calls sync.WaitGroup
	for range 1100 {
		calls.Go(func() {
			if _, err := h.client.PostEntry(t.Context(), entry()); err != nil {
				t.Error(err)
			}
		})
	}
	until(t, "1024 calls are in the service", func() bool { return inside.Load() >= 1024 })
	release()
	calls.Wait()
	if got := beyond.Load(); got > 0 {
		t.Errorf("%d calls were in the service beside 1024 others", got)
	}
}

// Wherever a mistake of ours shows, the caller is told no more than its number, and it is logged once.
func TestSE13PanicIsLoggedOnce(t *testing.T) {
	h := open(t, &bank{fail: func(context.Context) error { panic("a mistake") }}, func(c *gateway.Config) {
		c.Ready = func(context.Context) error { panic("a mistake") }
	})
	for i, call := range []func() answer{
		func() answer { return h.send("POST", "/v1/entries", entryJSON) },
		func() answer { return h.send("GET", "/readyz", "") },
	} {
		got := call()
		if reason, _ := got.reason(t); got.status != http.StatusInternalServerError || reason != "INTERNAL" || strings.Contains(got.body, "mistake") {
			t.Errorf("got %d %s: %s", got.status, reason, got.body)
		}
		if logged := strings.Count(h.log.String(), "panic: a mistake"); logged != i+1 {
			t.Errorf("logged %d times, want %d: %s", logged, i+1, h.log)
		}
	}
	for line := range strings.Lines(h.log.String()) {
		if !strings.HasPrefix(line, "time=") {
			t.Errorf("the log has a line %q", line)
		}
	}
}
