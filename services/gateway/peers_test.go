package gateway_test

import (
	"context"
	"slices"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/refold/refold/schemas/api/bankv1"
	"github.com/refold/refold/services/gateway"
)

// someone lets everybody in as one caller.
type someone gateway.Caller

func (s someone) Authenticate(context.Context) (gateway.Caller, error) { return gateway.Caller(s), nil }

func as(c gateway.Caller) func(*gateway.Config) {
	return func(cfg *gateway.Config) { cfg.Authenticator = someone(c) }
}

// forwarding runs a gateway for "alice" whose service forwards every call to another one.
func forwarding(t *testing.T, to *house) *house {
	t.Helper()
	peers := gateway.NewPeers()
	t.Cleanup(func() { _ = peers.Close() })
	return open(t, &bank{fail: func(ctx context.Context) error {
		if gateway.Hop(ctx) {
			t.Error("a call of a client is taken for a hop")
		}
		conn, err := peers.Conn(to.conn.Target())
		if err != nil {
			return err
		}
		_, err = bankv1.NewTransactionsServiceClient(conn).PostEntry(ctx, entry())
		return err
	}}, as(gateway.Caller{Principal: "alice"}))
}

func TestAHopKeepsThePrincipal(t *testing.T) {
	owner := open(t, &bank{fail: func(ctx context.Context) error {
		if !gateway.Hop(ctx) {
			t.Error("a hop is not known as one")
		}
		return nil
	}}, as(gateway.Caller{Principal: "a peer", Peer: true}))
	if _, err := forwarding(t, owner).client.PostEntry(t.Context(), entry()); err != nil {
		t.Fatal(err)
	}
	if got := owner.bank.principals; !slices.Equal(got, []string{"alice"}) {
		t.Errorf("got %v, want alice", got)
	}
}

func TestOnlyAPeerMayAskForOthers(t *testing.T) {
	owner := open(t, new(bank), as(gateway.Caller{Principal: "mallory"}))
	if _, err := forwarding(t, owner).client.PostEntry(t.Context(), entry()); status.Code(err) != codes.PermissionDenied {
		t.Errorf("got %v, want PermissionDenied", err)
	}
	stream, err := owner.client.Submit(metadata.AppendToOutgoingContext(t.Context(), "refold-for-bin", "alice"))
	if err == nil {
		_, err = stream.Recv()
	}
	if status.Code(err) != codes.PermissionDenied {
		t.Errorf("on a stream: got %v, want PermissionDenied", err)
	}
	if calls := owner.calls(); len(calls) != 0 {
		t.Errorf("the service was asked: %v", calls)
	}
}
