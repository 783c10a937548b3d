package transactions

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/refold/refold/schemas/api/bankv1"
	"github.com/refold/refold/schemas/event"
	"github.com/refold/refold/streams/journal"
	"github.com/refold/refold/streams/topic"
)

// Two accounts that live in different partitions of two.
const (
	payer    = "c1.main"
	receiver = "c4.main"
)

const (
	pending  = bankv1.TransferState_TRANSFER_STATE_PENDING
	settled  = bankv1.TransferState_TRANSFER_STATE_SETTLED
	returned = bankv1.TransferState_TRANSFER_STATE_RETURNED
)

// lossy is mail of which a test may lose messages.
type lossy struct {
	Mail
	lost atomic.Bool
	seen atomic.Int64
}

func (l *lossy) Send(partition int32, key, value []byte) {
	l.seen.Add(1)
	if !l.lost.Load() {
		l.Mail.Send(partition, key, value)
	}
}

func (l *lossy) SendInTurn(ctx context.Context, partition int32, key, value []byte) error {
	l.seen.Add(1)
	if l.lost.Load() {
		return ctx.Err()
	}
	return l.Mail.SendInTurn(ctx, partition, key, value)
}

// through returns the mail of an instance that loses its messages from its start on.
func (l *lossy) through(m Mail) Mail {
	l.Mail = m
	l.lost.Store(true)
	return l
}

func loggingTo(w io.Writer) option {
	return func(c *journal.Config[*Command, Outcome]) { c.Log = slog.New(slog.NewTextHandler(w, nil)) }
}

// apart is a bank of two partitions in which the payer has 100, whose first instance has its mail through l.
func apart(t *testing.T, l *lossy, options ...option) *instance {
	t.Helper()
	b := newBank(t, 2)
	if l != nil {
		b.mail = l.through
	}
	i := b.start(options...)
	b.mail = nil
	if topic.Of("c1", 2) == topic.Of("c4", 2) {
		t.Fatal("the accounts do not live apart")
	}
	i.open(payer)
	i.open(receiver)
	i.posted(deposit(payer, "d", 100))
	return i
}

// sent transfers an amount and returns the transfer's id.
func (i *instance) sent(from, to, key string, amount int64) string {
	i.bank.t.Helper()
	var id string
	i.retried(func(ctx context.Context) error {
		answer, err := i.Transfer(ctx, transferRequest(from, to, key, amount))
		id = answer.GetTransferId()
		return err
	})
	return id
}

func (i *instance) transferOf(account, id string) *bankv1.TransferStatus {
	i.bank.t.Helper()
	answer, err := i.GetTransfer(i.bank.t.Context(), &bankv1.GetTransferRequest{AccountId: account, TransferId: id})
	if err != nil {
		return nil
	}
	return answer.GetTransfer()
}

// ended waits until a transfer is not pending any more.
func (i *instance) ended(account, id string) *bankv1.TransferStatus {
	i.bank.t.Helper()
	var got *bankv1.TransferStatus
	i.until(func() bool {
		got = i.transferOf(account, id)
		return got != nil && got.GetState() != pending
	})
	return got
}

// drained checks I-DRAIN: nothing is on its way, and the clearing accounts of all partitions sum to zero.
func (i *instance) drained() {
	i.bank.t.Helper()
	answer, err := i.ListPendingTransfers(i.bank.t.Context(), &bankv1.ListPendingTransfersRequest{})
	if err != nil || len(answer.GetTransfers()) > 0 {
		i.bank.t.Errorf("pending: got %v, %v, want none", answer, err)
	}
	if got := i.bank.clearing(); got != 0 {
		i.bank.t.Errorf("clearing: got %d, want 0", got)
	}
}

// clearing returns the sum of all clearing accounts.
func (b *bank) clearing() int64 {
	sum := int64(0)
	for p := range b.partitions {
		sum += b.balance(fmt.Sprintf("@clearing.%d.EUR", p))
	}
	return sum
}

func (i *instance) balances(want ...int64) {
	i.bank.t.Helper()
	for n, account := range []string{payer, receiver} {
		if got := i.bank.balance(account); got != want[n] {
			i.bank.t.Errorf("balance of %s: got %d, want %d", account, got, want[n])
		}
	}
}

func TestXP1TransferIsPendingThenSettled(t *testing.T) {
	i := apart(t, nil)
	answer, err := i.Transfer(t.Context(), transferRequest(payer, receiver, "t", 10))
	if err != nil {
		t.Fatal(err)
	}
	if answer.GetState() != pending || answer.GetEntry().GetCounterparty() != receiver {
		t.Errorf("got %v, want it pending, to %s", answer, receiver)
	}
	got, err := i.GetTransfer(t.Context(), &bankv1.GetTransferRequest{
		AccountId: payer, TransferId: answer.GetTransferId(), MinPosition: answer.GetRecord().GetPosition(),
	})
	if err != nil || got.GetTransfer().GetAmountMinor() != 10 || got.GetTransfer().GetToAccountId() != receiver {
		t.Fatalf("got %v, %v, want 10 to %s", got, err, receiver)
	}
	if end := i.ended(payer, answer.GetTransferId()); end.GetState() != settled || end.GetEndedAt() == nil || end.GetReason() != "" {
		t.Errorf("got %v, want it settled", end)
	}
	i.balances(90, 10)
	i.drained()
	again, err := i.Transfer(t.Context(), transferRequest(payer, receiver, "t", 10))
	if err != nil || !again.GetReplayed() || again.GetState() != pending || again.GetTransferId() != answer.GetTransferId() {
		t.Errorf("a retry: got %v, %v, want the first answer", again, err)
	}
	if got := i.transferOf(payer, "none"); got != nil {
		t.Errorf("an unknown transfer: got %v, want none", got)
	}
}

func TestXP1TransferWithinAPartitionIsSettledAtOnce(t *testing.T) {
	i := apart(t, nil)
	i.open("c1.other")
	id := i.sent(payer, "c1.other", "t", 10)
	i.until(func() bool { return i.transferOf(payer, id) != nil })
	if got := i.transferOf(payer, id); got.GetState() != settled || got.GetToAccountId() != "c1.other" {
		t.Errorf("got %v, want it settled, to c1.other", got)
	}
}

func TestXP2OwnerGoneBeforeItRelays(t *testing.T) {
	l := &lossy{}
	i := apart(t, l)
	id := i.sent(payer, receiver, "t", 10)
	i.until(func() bool { return l.seen.Load() > 0 })
	i.stop()
	next := i.bank.start()
	if got := next.ended(payer, id); got.GetState() != settled {
		t.Errorf("got %v, want it settled", got)
	}
	next.balances(90, 10)
	next.drained()
}

// The answer is lost, not the request: the transfer is settled by a repeated one, and credited once.
func TestXP2OwnerGoneBeforeItAnswers(t *testing.T) {
	l := &lossy{}
	i := apart(t, l)
	l.lost.Store(false)
	id := i.sent(payer, receiver, "t", 10)
	l.lost.Store(true) // the request may be through, its answer may not
	i.until(func() bool { return l.seen.Load() > 1 })
	i.stop()
	next := i.bank.start()
	if got := next.ended(payer, id); got.GetState() != settled {
		t.Errorf("got %v, want it settled", got)
	}
	next.balances(90, 10)
	next.drained()
}

func TestXP4WhatIsNotReceivedIsReturned(t *testing.T) {
	i := newBank(t, 2).start()
	i.retried(func(ctx context.Context) error {
		_, err := i.OpenAccount(ctx, &bankv1.OpenAccountRequest{
			IdempotencyKey: "o", AccountId: payer, Kind: bankv1.AccountKind_ACCOUNT_KIND_CURRENT, Currency: "EUR", DailyLimitMinor: 50,
		})
		return err
	})
	i.posted(deposit(payer, "d", 100))
	i.open("c4.closed")
	i.open("c4.frozen")
	i.retried(func(ctx context.Context) error {
		_, err := i.CloseAccount(ctx, &bankv1.CloseAccountRequest{IdempotencyKey: "c", AccountId: "c4.closed", Reason: "r"})
		return err
	})
	i.retried(func(ctx context.Context) error {
		_, err := i.FreezeAccount(ctx, &bankv1.FreezeAccountRequest{IdempotencyKey: "f", AccountId: "c4.frozen", Reason: "r"})
		return err
	})
	i.retried(func(ctx context.Context) error {
		_, err := i.OpenAccount(ctx, &bankv1.OpenAccountRequest{
			IdempotencyKey: "u", AccountId: "c4.dollars", Kind: bankv1.AccountKind_ACCOUNT_KIND_CURRENT, Currency: "USD",
		})
		return err
	})
	for to, want := range map[string]string{
		"c4.closed": ReasonAccountClosed, "c4.frozen": ReasonAccountFrozen,
		"c4.unknown": ReasonAccountNotFound, "c4.dollars": ReasonCurrencyMismatch,
	} {
		// Each takes the whole limit of the day: what is returned was not spent.
		id := i.sent(payer, to, "t-"+to, 50)
		if got := i.ended(payer, id); got.GetState() != returned || got.GetReason() != want {
			t.Errorf("%s: got %v, want it returned: %s", to, got, want)
		}
		if got := i.bank.balance(payer); got != 100 {
			t.Errorf("%s: balance: got %d, want 100", to, got)
		}
		_, err := i.ReverseEntry(t.Context(), reverseRequest(payer, i.key(), id))
		if got := reasonOf(t, err); got != ReasonNotReversible {
			t.Errorf("%s: reversal: got %q, want %s", to, got, ReasonNotReversible)
		}
	}
	i.drained()
}

func TestXP5ReceiverIsDownForLong(t *testing.T) {
	l := &lossy{}
	i := apart(t, l)
	id := i.sent(payer, receiver, "t", 100)
	i.until(func() bool { return i.transferOf(payer, id).GetState() == pending })
	if got := i.bank.clearing(); got != 100 {
		t.Errorf("clearing: got %d, want the 100 that are on their way", got)
	}
	_, err := i.CloseAccount(t.Context(), &bankv1.CloseAccountRequest{IdempotencyKey: i.key(), AccountId: payer, Reason: "r"})
	if got := reasonOf(t, err); got != ReasonTransfersPending {
		t.Errorf("closing: got %q, want %s", got, ReasonTransfersPending)
	}
	for age, want := range map[time.Duration]int{0: 1, time.Hour: 0} {
		answer, err := i.ListPendingTransfers(t.Context(), &bankv1.ListPendingTransfersRequest{OlderThan: durationpb.New(age)})
		if err != nil || len(answer.GetTransfers()) != want {
			t.Errorf("older than %s: got %v, %v, want %d", age, answer, err, want)
		}
	}
	l.lost.Store(false)
	if got := i.ended(payer, id); got.GetState() != settled { // it is sent again by itself
		t.Errorf("got %v, want it settled", got)
	}
	i.balances(0, 100)
	i.drained()
}

func TestXP7OppositeTransfersAtOnce(t *testing.T) {
	i := apart(t, nil)
	i.posted(deposit(receiver, "d", 100))
	var wg sync.WaitGroup
	for n := range 100 {
		wg.Go(func() {
			from, to := payer, receiver
			if n%2 == 0 {
				from, to = receiver, payer
			}
			if _, err := i.Transfer(t.Context(), transferRequest(from, to, fmt.Sprint("t", n), int64(1+n%20))); err != nil && !retryable(err) {
				if got := reasonOf(t, err); got != ReasonInsufficientFunds {
					t.Errorf("got %q", got)
				}
			}
		})
	}
	wg.Wait()
	i.until(i.quiet)
	if sum := i.bank.balance(payer) + i.bank.balance(receiver); sum != 200 {
		t.Errorf("sum: got %d, want 200", sum)
	}
	i.drained()
}

// Any two prefixes of which one knows what the other has caused hold the same sum, clearing included.
func TestXP8SumOfCausalPrefixes(t *testing.T) {
	i := apart(t, nil)
	for n, to := range []string{receiver, "c4.unknown", receiver} {
		i.ended(payer, i.sent(payer, to, fmt.Sprint("t", n), 10))
		i.ended(receiver, i.sent(receiver, payer, fmt.Sprint("t", n), 3))
	}
	logs := make([][]*event.EntryPosted, 2)
	i.bank.read(func(rec *kgo.Record, f fact) {
		if e, ok := f.(*event.EntryPosted); ok {
			logs[rec.Partition] = append(logs[rec.Partition], e)
		}
	})
	pairs := 0
	for a := range len(logs[0]) + 1 {
		for b := range len(logs[1]) + 1 {
			sum, causal := sumOf(logs[0][:a], logs[1][:b])
			if !causal {
				continue
			}
			pairs++
			if sum < 0 || sum > 0 && sum != 100 {
				t.Errorf("prefixes of %d and %d: got %d, want 100", a, b, sum)
			}
		}
	}
	if pairs < 10 {
		t.Errorf("got %d pairs of prefixes, want more", pairs)
	}
}

// sumOf returns what customers have and what is between them, and whether all was sent that was received.
func sumOf(logs ...[]*event.EntryPosted) (sum int64, causal bool) {
	sentIDs, used := make(map[string]bool), []string{}
	for _, log := range logs {
		for _, e := range log {
			sentIDs[e.EventID] = sent(e)
			if e.Kind == event.EntryTransfer && e.TransferID != "" {
				used = append(used, e.TransferID)
			}
			for _, l := range e.Legs {
				if !strings.HasPrefix(l.AccountID, world) {
					sum += l.AmountMinor
				}
			}
		}
	}
	for _, id := range used {
		if !sentIDs[id] {
			return sum, false
		}
	}
	return sum, true
}
