package node_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/refold/refold/ops/node"
	"github.com/refold/refold/schemas/api/bankv1"
	"github.com/refold/refold/streams/broker"
	"github.com/refold/refold/streams/timeline"
	"github.com/refold/refold/streams/topic"
)

// ID-9: a key whose record is in the saved rows alone, nothing of the log being left to fold, is answered as it
// was before the restart.
func TestID9ReplayFromSavedRows(t *testing.T) {
	cfg := local(t.TempDir())
	cfg.Partitions = 1
	var answers [2]*bankv1.PostEntryResponse
	for n := range answers {
		live, err := node.Open(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		bank := bankv1.NewTransactionsServiceClient(dial(t, live))
		eventually(t, func(ctx context.Context) (err error) {
			_, err = bank.OpenAccount(ctx, opening("alice.main"))
			return err
		})
		answers[n], err = bank.PostEntry(t.Context(), &bankv1.PostEntryRequest{
			IdempotencyKey: "in", AccountId: "alice.main", Kind: bankv1.EntryKind_ENTRY_KIND_DEPOSIT, AmountMinor: 100, Currency: "EUR",
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := live.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if answers[0].GetReplayed() || !answers[1].GetReplayed() {
		t.Errorf("replayed: got %t then %t, want false then true", answers[0].GetReplayed(), answers[1].GetReplayed())
	}
	answers[1].Replayed = false
	if !proto.Equal(answers[0], answers[1]) {
		t.Errorf("got %v, want %v", answers[1], answers[0])
	}
}

// KW-13: the log begins above what the saved rows hold. The owner refuses to serve, and does not go on from
// where the log begins.
func TestKW13LogBeginsBehindTheRows(t *testing.T) {
	b, err := broker.Open(t.Context(), broker.Config{Dir: t.TempDir(), Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	schemas := open(t, node.Config{Kafka: b.Addr(), Roles: []node.Role{node.Registry}})
	cfg := local(t.TempDir())
	cfg.Kafka, cfg.RegistryURL, cfg.Roles, cfg.Partitions = b.Addr(), "http://"+schemas.Addresses().Registry, []node.Role{node.Transactions}, 3
	first := openAccounts(t, cfg, "alice.main")
	trim(t, b.Addr(), topic.Of("alice", 3), first+3)

	n, err := node.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	eventually(t, func(ctx context.Context) error {
		if err := n.Ready(ctx); err == nil || !strings.Contains(err.Error(), timeline.ErrHole.Error()) {
			return fmt.Errorf("got %w, want %w", err, timeline.ErrHole)
		}
		return nil
	})
	bank := bankv1.NewTransactionsServiceClient(dial(t, n))
	if _, err = bank.OpenAccount(t.Context(), opening("alice.second")); status.Code(err) != codes.Unavailable {
		t.Errorf("got %v, want %s", err, codes.Unavailable)
	}
}

func opening(account string) *bankv1.OpenAccountRequest {
	return &bankv1.OpenAccountRequest{
		IdempotencyKey: "open-" + account, AccountId: account, Kind: bankv1.AccountKind_ACCOUNT_KIND_CURRENT, Currency: "EUR",
	}
}

// openAccounts runs a node until it has opened accounts, and returns the offset of the last record.
func openAccounts(t *testing.T, cfg node.Config, accounts ...string) (last int64) {
	t.Helper()
	n, err := node.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	bank := bankv1.NewTransactionsServiceClient(dial(t, n))
	for _, account := range accounts {
		eventually(t, func(ctx context.Context) error {
			answer, err := bank.OpenAccount(ctx, opening(account))
			last = answer.GetRecord().GetOffset()
			return err
		})
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	return last
}

// trim lets a partition of the journal begin at an offset, below which there was something.
func trim(t *testing.T, kafka string, partition int32, start int64) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(kafka), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	for last := int64(0); last < start; {
		rec, err := client.ProduceSync(t.Context(), &kgo.Record{Topic: topic.Transactions, Partition: partition, Value: []byte("gone")}).First()
		if err != nil {
			t.Fatal(err)
		}
		last = rec.Offset
	}
	p := kmsg.NewDeleteRecordsRequestTopicPartition()
	p.Partition, p.Offset = partition, start
	r := kmsg.NewPtrDeleteRecordsRequest()
	r.Topics = []kmsg.DeleteRecordsRequestTopic{{Topic: topic.Transactions, Partitions: []kmsg.DeleteRecordsRequestTopicPartition{p}}}
	resp, err := r.RequestWith(t.Context(), client)
	if err != nil || resp.Topics[0].Partitions[0].ErrorCode != 0 {
		t.Fatalf("delete records: %v, %+v", err, resp)
	}
}

// KW-23: Kafka is wholly away, and comes back. Nothing is acknowledged meanwhile, and nobody has to do anything.
func TestKW23KafkaDownThenUp(t *testing.T) {
	t.Parallel() // it waits, mostly
	kafka := broker.Config{Dir: t.TempDir(), Listen: "127.0.0.1:0"}
	b, err := broker.Open(t.Context(), kafka)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	kafka.Listen = b.Addr()
	n := open(t, node.Config{Kafka: b.Addr(), Roles: []node.Role{node.Registry, node.Transactions}})
	bank := bankv1.NewTransactionsServiceClient(dial(t, n))
	ask := func(account string) func(context.Context) error {
		return func(ctx context.Context) error {
			_, err := bank.OpenAccount(ctx, opening(account))
			return err
		}
	}
	eventually(t, ask("alice.before"))
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if err := ask("alice.during")(t.Context()); status.Code(err) != codes.Unavailable {
		t.Errorf("got %v, want %s", err, codes.Unavailable)
	}
	again, err := broker.Open(t.Context(), kafka)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = again.Close() })
	eventually(t, ask("alice.during"))
	eventually(t, ask("alice.before"))
}
