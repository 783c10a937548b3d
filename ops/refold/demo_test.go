package main

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/refold/refold/ops/demo"
	"github.com/refold/refold/ops/node"
	"github.com/refold/refold/schemas/api/bankv1"
)

// slow is a question that is answered a few times that the projection is behind.
type slow struct {
	behind int
	then   error
	asked  int
}

func (s *slow) ask(context.Context) error {
	if s.asked++; s.asked <= s.behind {
		return status.Error(codes.DeadlineExceeded, "the projection has not come so far")
	}
	return s.then
}

func TestDemoWaitsForSlowProjections(t *testing.T) {
	s := &slow{behind: 3}
	if err := caughtUp(t.Context(), s.ask); err != nil || s.asked != 4 {
		t.Errorf("got %v after %d questions, want nil after 4", err, s.asked)
	}
	refused := status.Error(codes.Internal, "no")
	if err := caughtUp(t.Context(), (&slow{behind: 1, then: refused}).ask); !errors.Is(err, refused) {
		t.Errorf("got %v, want %v", err, refused)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if err := caughtUp(ctx, (&slow{behind: 1 << 30}).ask); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want that the context ended", err)
	}
}

// A demo that is refused, here because one of its accounts has another currency, is said and ends nothing.
func TestNodeOutlivesItsDemo(t *testing.T) {
	t.Chdir(t.TempDir()) // rejected rows go there
	var stdout, stderr bytes.Buffer
	c := &cli{stdout: &stdout, stderr: &stderr, data: "data", level: "error"}
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	err := c.runNode(ctx, node.Config{
		Partitions: 1, Logger: slog.New(slog.DiscardHandler),
		Listen: node.Addresses{HTTP: "127.0.0.1:0", GRPC: "127.0.0.1:0", Kafka: "127.0.0.1:0", Registry: "127.0.0.1:0"},
	}, func(ctx context.Context, n *node.Node) {
		defer stop()
		conn, err := (&cli{server: n.Addresses().GRPC}).dial()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		_, err = bankv1.NewTransactionsServiceClient(conn).OpenAccount(ctx, &bankv1.OpenAccountRequest{
			IdempotencyKey: "mine", AccountId: demo.Account, Kind: bankv1.AccountKind_ACCOUNT_KIND_CARD, Currency: "EUR",
		})
		if err != nil {
			t.Error(err)
		}
		c.tryDemo(ctx, n)
		if err := errors.Join(ctx.Err(), n.Ready(ctx)); err != nil {
			t.Errorf("after the demo: %v", err)
		}
	})
	if err != nil {
		t.Error(err)
	}
	if got := stderr.String(); !strings.Contains(got, "the demo could not be completed") || !strings.Contains(got, "rows were rejected") {
		t.Errorf("got %q on stderr, %q on stdout", got, &stdout)
	}
}
