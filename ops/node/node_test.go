package node_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/refold/refold/ops/node"
	"github.com/refold/refold/projections/catalog"
	"github.com/refold/refold/schemas/api/bankv1"
	"github.com/refold/refold/schemas/api/refoldv1"
	"github.com/refold/refold/streams/broker"
)

// local is a node on free ports that says nothing.
func local(data string) node.Config {
	return node.Config{
		Data: data, Logger: slog.New(slog.DiscardHandler),
		Listen: node.Addresses{HTTP: "127.0.0.1:0", GRPC: "127.0.0.1:0", Kafka: "127.0.0.1:0", Registry: "127.0.0.1:0"},
	}
}

// open starts a node in a new folder; it ends with its test.
func open(t *testing.T, cfg node.Config) *node.Node {
	t.Helper()
	mine := local(t.TempDir())
	mine.Kafka, mine.RegistryURL, mine.Roles, mine.Partitions = cfg.Kafka, cfg.RegistryURL, cfg.Roles, 3
	mine.Patience, mine.MaxQueue = cfg.Patience, cfg.MaxQueue
	if cfg.Logger != nil {
		mine.Logger = cfg.Logger
	}
	n, err := node.Open(t.Context(), mine)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	return n
}

func dial(t *testing.T, n *node.Node) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient(n.Addresses().GRPC, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// eventually tries until it works.
func eventually(t *testing.T, try func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		err := try(ctx)
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatal(err)
		}
	}
}

// Three roles as three nodes on one broker do together what one node with all of them does.
func TestRolesApart(t *testing.T) {
	b, err := broker.Open(t.Context(), broker.Config{Dir: t.TempDir(), Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	schemas := open(t, node.Config{Kafka: b.Addr(), Roles: []node.Role{node.Registry}})
	url := "http://" + schemas.Addresses().Registry
	writer := open(t, node.Config{Kafka: b.Addr(), RegistryURL: url, Roles: []node.Role{node.Transactions}})
	reader := open(t, node.Config{Kafka: b.Addr(), RegistryURL: url, Roles: []node.Role{node.Projections}})

	bank := bankv1.NewTransactionsServiceClient(dial(t, writer))
	eventually(t, func(ctx context.Context) error {
		_, err := bank.OpenAccount(ctx, &bankv1.OpenAccountRequest{
			IdempotencyKey: "open", AccountId: "alice.main", Kind: bankv1.AccountKind_ACCOUNT_KIND_CURRENT, Currency: "EUR",
		})
		return err
	})
	posted, err := bank.PostEntry(t.Context(), &bankv1.PostEntryRequest{
		IdempotencyKey: "in", AccountId: "alice.main", Kind: bankv1.EntryKind_ENTRY_KIND_DEPOSIT, AmountMinor: 100, Currency: "EUR",
	})
	if err != nil {
		t.Fatal(err)
	}
	reports := bankv1.NewReportsServiceClient(dial(t, reader))
	eventually(t, func(ctx context.Context) error {
		a, err := reports.GetAccount(ctx, &bankv1.GetAccountRequest{AccountId: "alice.main", MinPosition: posted.GetRecord().GetPosition()})
		if err == nil && a.GetAccount().GetBalanceMinor() != 100 {
			t.Errorf("got balance %d, want 100", a.GetAccount().GetBalanceMinor())
		}
		return err
	})
	eventually(t, func(ctx context.Context) error {
		resp, err := refoldv1.NewControlServiceClient(dial(t, reader)).ListProjections(ctx, &refoldv1.ListProjectionsRequest{})
		if err == nil && len(resp.GetProjections()) != len(catalog.All()) {
			return errors.New("not all projections are there")
		}
		return err
	})
	if writer.Addresses().Registry != "" || schemas.Addresses().GRPC != "" {
		t.Errorf("a node serves what is not its role: %+v, %+v", writer.Addresses(), schemas.Addresses())
	}
}

func TestAddressesAreWrittenDown(t *testing.T) {
	data := t.TempDir()
	if _, err := node.ReadAddresses(data); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	cfg := local(data)
	cfg.Partitions = 1
	n, err := node.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	got, err := node.ReadAddresses(data)
	if err != nil || got != n.Addresses() || got.HTTP == "" || got.GRPC == "" || got.Kafka == "" || got.Registry == "" {
		t.Errorf("got %+v, %v, want %+v", got, err, n.Addresses())
	}
	if err := n.Close(); err != nil {
		t.Error(err)
	}
	if _, err := node.ReadAddresses(data); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("after the node was closed: got %v", err)
	}
}

// Two nodes of one role on one broker: either takes any request, and when one goes the other goes on.
func TestEitherNodeTakesAnyRequest(t *testing.T) {
	b, err := broker.Open(t.Context(), broker.Config{Dir: t.TempDir(), Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	schemas := open(t, node.Config{Kafka: b.Addr(), Roles: []node.Role{node.Registry}})
	url := "http://" + schemas.Addresses().Registry
	writers := node.Config{Kafka: b.Addr(), RegistryURL: url, Roles: []node.Role{node.Transactions}}
	one, two := open(t, writers), open(t, writers)
	clients := []bankv1.TransactionsServiceClient{
		bankv1.NewTransactionsServiceClient(dial(t, one)), bankv1.NewTransactionsServiceClient(dial(t, two)),
	}
	eventually(t, func(ctx context.Context) error { return errors.Join(one.Ready(ctx), two.Ready(ctx)) })
	const accounts = 12
	for a := range accounts {
		eventually(t, func(ctx context.Context) error {
			_, err := clients[a%2].OpenAccount(ctx, &bankv1.OpenAccountRequest{
				IdempotencyKey: "open", AccountId: fmt.Sprintf("c%d.main", a), Kind: bankv1.AccountKind_ACCOUNT_KIND_CURRENT, Currency: "EUR",
			})
			return err
		})
	}
	post := func(client bankv1.TransactionsServiceClient, key string) {
		t.Helper()
		for a := range accounts {
			_, err := client.PostEntry(t.Context(), &bankv1.PostEntryRequest{
				IdempotencyKey: key, AccountId: fmt.Sprintf("c%d.main", a), Kind: bankv1.EntryKind_ENTRY_KIND_DEPOSIT,
				AmountMinor: 1, Currency: "EUR",
			})
			if err != nil {
				t.Errorf("account %d: %v", a, err)
			}
		}
	}
	post(clients[0], "at-one")
	post(clients[1], "at-two")
	begun := time.Now()
	if err := one.Close(); err != nil {
		t.Error(err)
	}
	post(clients[1], "after")
	if took := time.Since(begun); took > 8*time.Second {
		t.Errorf("the partitions of a node that was closed were handed over in %v", took)
	}
}
