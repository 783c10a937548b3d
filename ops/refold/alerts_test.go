package main

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/refold/refold/schemas/api/bankv1"
	"github.com/refold/refold/streams/topic"
)

// teller posts to a running bank, and works out beside it, with nothing of the bank's, how many alerts that sets off.
type teller struct {
	t       *testing.T
	data    string
	bank    bankv1.TransactionsServiceClient
	inbox   bankv1.InboxServiceClient
	keys    int
	balance map[string]int64
	lowDay  map[string]int
	last    map[string]string // position of the last record of each customer
	want    map[string]int    // alerts by kind
	unread  map[string]int64  // alerts by customer
}

func (b *teller) key() string {
	b.keys++
	return fmt.Sprint("k", b.keys)
}

func (b *teller) tell(kind, account string) {
	customer, _, _ := strings.Cut(account, ".")
	b.want[kind]++
	b.unread[customer]++
}

// recorded notes where a record of a customer stands.
func (b *teller) recorded(account string, r *bankv1.Record, err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
	customer, _, _ := strings.Cut(account, ".")
	b.last[customer] = r.GetPosition()
}

func (b *teller) open(account string, kind bankv1.AccountKind) {
	b.t.Helper()
	got, err := b.bank.OpenAccount(b.t.Context(), &bankv1.OpenAccountRequest{
		IdempotencyKey: b.key(), AccountId: account, Kind: kind, Currency: "EUR", OverdraftLimitMinor: 1_000_000_000_000,
	})
	b.recorded(account, got.GetRecord(), err)
}

// moved works out what a change of a balance tells, on a day of 2024.
func (b *teller) moved(account string, minor int64, day int) {
	before := b.balance[account]
	b.balance[account] += minor
	if strings.HasSuffix(account, ".main") && before >= 100_00 && before+minor < 100_00 && day > b.lowDay[account] {
		b.lowDay[account] = day
		b.tell("LOW_BALANCE", account)
	}
}

func onDay(day int) *timestamppb.Timestamp {
	return timestamppb.New(time.Date(2024, 1, day, 12, 0, 0, 0, time.UTC))
}

func (b *teller) post(account string, kind bankv1.EntryKind, minor int64, day int) {
	b.t.Helper()
	got, err := b.bank.PostEntry(b.t.Context(), &bankv1.PostEntryRequest{
		IdempotencyKey: b.key(), AccountId: account, Kind: kind, AmountMinor: minor, Currency: "EUR", OccurredAt: onDay(day),
	})
	b.recorded(account, got.GetRecord(), err)
	if kind == bankv1.EntryKind_ENTRY_KIND_DEPOSIT {
		b.moved(account, minor, day)
		return
	}
	if kind == bankv1.EntryKind_ENTRY_KIND_CARD_PURCHASE && minor >= 500_00 {
		b.tell("LARGE_PURCHASE", account)
	}
	b.moved(account, -minor, day)
}

// bounce sends money to an account of another partition that is not there, and waits until it is back.
func (b *teller) bounce(account string, minor int64, day int) {
	b.t.Helper()
	customer, _, _ := strings.Cut(account, ".")
	nobody := "nobody"
	for topic.Of(nobody, 2) == topic.Of(customer, 2) {
		nobody += "-"
	}
	sent, err := b.bank.Transfer(b.t.Context(), &bankv1.TransferRequest{
		IdempotencyKey: b.key(), AccountId: account, ToAccountId: nobody + ".main", AmountMinor: minor, Currency: "EUR", OccurredAt: onDay(day),
	})
	b.recorded(account, sent.GetRecord(), err)
	b.moved(account, -minor, day)
	until(b.t, "the transfer is returned", func() bool {
		got, err := b.bank.GetTransfer(b.t.Context(), &bankv1.GetTransferRequest{AccountId: account, TransferId: sent.GetTransferId()})
		return err == nil && got.GetTransfer().GetState() == bankv1.TransferState_TRANSFER_STATE_RETURNED
	})
	b.tell("PAYMENT_RETURNED", account)
	b.moved(account, minor, day)
	// The record after the return: who waits for its position has seen the return as well.
	b.post(account, bankv1.EntryKind_ENTRY_KIND_DEPOSIT, 1, day)
}

// agree waits until everything posted was folded, and compares what was published, and what is in the inboxes, with
// what was worked out.
func (b *teller) agree(when string) {
	b.t.Helper()
	for customer, at := range b.last {
		err := caughtUp(b.t.Context(), func(ctx context.Context) error {
			got, err := b.inbox.ListInbox(ctx, &bankv1.ListInboxRequest{CustomerId: customer, MinPosition: at})
			if err == nil && got.GetUnread() != b.unread[customer] {
				b.t.Errorf("%s: %s has %d notifications, want %d", when, customer, got.GetUnread(), b.unread[customer])
			}
			return err
		})
		if err != nil {
			b.t.Fatalf("%s: %v", when, err)
		}
	}
	got := make(map[string]int)
	for line := range strings.Lines(well(b.t, b.data, "tail", topic.Notifications, "--from", "beginning")) {
		_, rest, _ := strings.Cut(line, `"kind":"`)
		kind, _, _ := strings.Cut(rest, `"`)
		got[kind]++
	}
	if !maps.Equal(got, b.want) {
		b.t.Errorf("%s: got %v, want %v", when, got, b.want)
	}
}

// Postings that set off every rule tell each customer what a plain computation says, once, and three replays of the
// alerts that are each made live tell nothing again, while what is posted in between is told.
func TestAlertsAreAsComputedWhateverIsReplayed(t *testing.T) {
	b := &teller{
		t: t, data: t.TempDir(), balance: make(map[string]int64), lowDay: make(map[string]int),
		last: make(map[string]string), want: make(map[string]int), unread: make(map[string]int64),
	}
	p := up(t, b.data, "Data", "--partitions", "2")
	conn, err := (&cli{server: p.GRPC}).dial()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	b.bank, b.inbox = bankv1.NewTransactionsServiceClient(conn), bankv1.NewInboxServiceClient(conn)
	random := rand.New(rand.NewPCG(7, 11))
	for n := range 4 {
		account, card := fmt.Sprintf("c%d.main", n), fmt.Sprintf("c%d.card", n)
		b.open(account, bankv1.AccountKind_ACCOUNT_KIND_CURRENT)
		b.open(card, bankv1.AccountKind_ACCOUNT_KIND_CARD)
		for range 40 {
			day := 1 + random.IntN(20)
			b.post(account, bankv1.EntryKind_ENTRY_KIND_DEPOSIT, 1+random.Int64N(300_00), day)
			b.post(account, bankv1.EntryKind_ENTRY_KIND_WITHDRAWAL, 1+random.Int64N(250_00), day)
			b.post(card, bankv1.EntryKind_ENTRY_KIND_CARD_PURCHASE, 490_00+random.Int64N(20_00), day)
		}
		b.bounce(account, 1+random.Int64N(100_00), 20)
	}
	for _, kind := range []string{"LARGE_PURCHASE", "LOW_BALANCE", "PAYMENT_RETURNED"} {
		if b.want[kind] == 0 {
			t.Errorf("nothing sets off %s: the test shows nothing", kind)
		}
	}
	b.agree("live")
	for replay := range 3 {
		well(t, b.data, "replay", "alerts", "--from", "beginning")
		well(t, b.data, "promote", "alerts")
		b.agree(fmt.Sprint("after replay ", replay+1))
		b.post("c0.card", bankv1.EntryKind_ENTRY_KIND_CARD_PURCHASE, 700_00, 21+replay)
		b.agree(fmt.Sprint("after what came behind replay ", replay+1))
	}
	t.Logf("%v alerts", b.want)
	p.stop()
}
