package transactions

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"google.golang.org/grpc"
	grpccodes "google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/refold/refold/schemas/api/bankv1"
	"github.com/refold/refold/streams/journal"
)

// pair starts two members that own one partition of two each, and returns an account of each.
func pair(t *testing.T, options ...option) (b *bank, one, two *member, ofOne, ofTwo string) {
	t.Helper()
	b = newBank(t, 2)
	one, two, ofOne, ofTwo = b.pair(options...)
	return b, one, two, ofOne, ofTwo
}

// pair is pair on a bank of two partitions.
func (b *bank) pair(options ...option) (one, two *member, ofOne, ofTwo string) {
	b.t.Helper()
	one = b.join("one", options...)
	one.serving(2)
	two = b.join("two")
	two.serving(1)
	one.serving(1)
	ofOne, ofTwo = payer, receiver
	if one.cfg.Journal.Status()[0].Partition == one.home(ofTwo) {
		ofOne, ofTwo = ofTwo, ofOne
	}
	return one, two, ofOne, ofTwo
}

func TestAnyInstanceTakesAnyRequest(t *testing.T) {
	b, one, two, ofOne, ofTwo := pair(t)
	client, ctx := one.client("alice")
	for _, account := range []string{ofOne, ofTwo} {
		_, err := client.OpenAccount(ctx, &bankv1.OpenAccountRequest{
			IdempotencyKey: "open", AccountId: account, Kind: bankv1.AccountKind_ACCOUNT_KIND_CURRENT, Currency: "EUR",
		})
		if err != nil {
			t.Fatal(err)
		}
		posted, err := client.PostEntry(ctx, deposit(account, "k", 5))
		if err != nil {
			t.Fatal(err)
		}
		again, err := two.PostEntry(t.Context(), deposit(account, "k", 5))
		if err != nil || !same(again, posted) || !again.GetReplayed() {
			t.Errorf("got %v, %v, want a replay of %v", again, err, posted)
		}
		_, err = client.PostEntry(ctx, withdrawal(account, "no", 6))
		if r := refusalIn(err); r == nil || r.Reason != ReasonInsufficientFunds || status.Code(err) != grpccodes.FailedPrecondition {
			t.Errorf("got %v, want a recorded %s", err, ReasonInsufficientFunds)
		}
		customer, _, _ := strings.Cut(account, ".")
		found, err := client.FindByKey(ctx, &bankv1.FindByKeyRequest{CustomerId: customer, IdempotencyKey: "k"})
		if err != nil || !same(found.GetPosted(), posted) {
			t.Errorf("got %v, %v, want %v", found, err, posted)
		}
		_, err = client.FindByKey(ctx, &bankv1.FindByKeyRequest{CustomerId: customer, IdempotencyKey: "never"})
		if status.Code(err) != grpccodes.NotFound {
			t.Errorf("got %v, want %s", err, ReasonKeyNotFound)
		}
	}
	stream, err := client.Submit(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for tag, r := range exchange(t, stream, 1, []*bankv1.Command{posting(1, deposit(ofOne, "s", 1)), posting(2, deposit(ofTwo, "s", 1))}) {
		if r.GetPosted() == nil {
			t.Errorf("command %d: got %v", tag, r)
		}
	}
	if two.hops.Load() == 0 {
		t.Error("nothing was forwarded: the test shows nothing")
	}
	b.read(func(rec *kgo.Record, f fact) {
		if got := f.Envelop().Principal; got != "alice" {
			t.Errorf("offset %d: got principal %q, want alice", rec.Offset, got)
		}
	})
}

// A hop that comes to the wrong instance is answered there, and sent on by nobody.
func TestAHopIsNeverSentOn(t *testing.T) {
	_, one, two, ofOne, _ := pair(t)
	client, ctx := two.client("")
	ctx = metadata.AppendToOutgoingContext(ctx, "hop", "alice")
	_, err := client.PostEntry(ctx, deposit(ofOne, "k", 1))
	if status.Code(err) != grpccodes.Unavailable || peerReason(err) != reasonNotOwner {
		t.Errorf("got %v, want %s", err, reasonNotOwner)
	}
	stream, err := client.Submit(ctx)
	if err != nil {
		t.Fatal(err)
	}
	results := exchange(t, stream, 1, []*bankv1.Command{posting(1, deposit(ofOne, "k", 1))})
	if !strings.Contains(results[1].GetUnavailable(), journal.ErrNotOwner.Error()) {
		t.Errorf("got %v, want unavailable", results[1])
	}
	if n := one.hops.Load(); n != 0 {
		t.Errorf("a hop was sent on %d times", n)
	}
}

// mistaken are peers of which the first few are wrong.
type mistaken struct {
	Peers
	wrong string
	times int
}

func (m *mistaken) Conn(address string) (grpc.ClientConnInterface, error) {
	if m.times--; m.times >= 0 {
		address = m.wrong
	}
	return m.Peers.Conn(address)
}

func TestAWrongHopIsSentAgain(t *testing.T) {
	b, one, two, ofOne, _ := pair(t)
	one.open(ofOne)
	wrong := b.join("three", inGroup("other")) // which owns nothing of ours for long
	wrong.stop()
	two.cfg.Peers = &mistaken{Peers: two, wrong: wrong.address, times: 3}
	if _, err := two.PostEntry(t.Context(), deposit(ofOne, "k", 1)); err != nil {
		t.Error(err)
	}
	if got := wrong.hops.Load(); got != 3 {
		t.Errorf("wrong hops: got %d, want 3", got)
	}
	two.cfg.Peers = &mistaken{Peers: two, wrong: wrong.address, times: 3}
	if r := exchange(t, two.submitTo(), 1, []*bankv1.Command{posting(1, deposit(ofOne, "s", 1))})[1]; r.GetPosted() == nil {
		t.Errorf("got %v, want an entry", r)
	}
	if got := wrong.hops.Load(); got != 6 {
		t.Errorf("wrong hops: got %d, want 6", got)
	}
	two.cfg.Peers = &mistaken{Peers: two, wrong: wrong.address, times: 1 << 30}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := two.PostEntry(ctx, deposit(ofOne, "never", 1)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want that it ends with its caller", err)
	}
}

// One customer's commands keep their order through a Submit at the wrong instance, while the right one changes
// again and again.
func TestForwardedSubmitKeepsOrder(t *testing.T) {
	const customers, each = 40, 50
	b := newBank(t, 2)
	b.patience = within // of a slow machine nothing is to be unavailable either
	one, two, _, _ := b.pair()
	var commands []*bankv1.Command
	for n := range each {
		for c := range customers {
			account := fmt.Sprintf("o%d.main", c)
			tag := uint64(len(commands))
			switch {
			case n == 0:
				commands = append(commands, opening(tag, account))
			case n%2 == 1:
				commands = append(commands, posting(tag, deposit(account, fmt.Sprint("k", n), 1)))
			default: // possible only after the deposit before
				commands = append(commands, posting(tag, withdrawal(account, fmt.Sprint("k", n), 1)))
			}
		}
	}
	stream := one.submitTo()
	half := make(chan struct{})
	go func() {
		defer close(half)
		two.leave()
		b.join("two").serving(1)
	}()
	results := exchange(t, stream, 20, commands)
	<-half
	if len(results) != len(commands) {
		t.Errorf("results: got %d, want %d", len(results), len(commands))
	}
	for tag, r := range results {
		if r.GetOpened() == nil && r.GetPosted() == nil {
			t.Fatalf("command %d (%v): got %v, want success", tag, commands[tag], r)
		}
	}
}
