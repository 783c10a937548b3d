package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/refold/refold/schemas/api/bankv1"
	"github.com/refold/refold/services/transactions/history"
)

// bankAccounts is how many accounts move money among each other.
const bankAccounts = 8

// open makes the accounts of the bank, which are in all partitions.
func (w *workload) open(ctx context.Context) error {
	c := w.client(0)
	for n := range bankAccounts {
		account := fmt.Sprintf("bank%d.main", n)
		w.closed = append(w.closed, account)
		c.openAccount(ctx, account)
		c.deposit(ctx, account, 1_000)
	}
	return ctx.Err()
}

func (c *client) openAccount(ctx context.Context, account string) {
	c.insist(ctx, &bankv1.OpenAccountRequest{
		IdempotencyKey: "open-" + account, AccountId: account, Kind: bankv1.AccountKind_ACCOUNT_KIND_CURRENT, Currency: "EUR",
	}, &bankv1.OpenAccountResponse{})
}

func (c *client) deposit(ctx context.Context, account string, amount int64) {
	c.insist(ctx, entry(account, c.key("in"), amount), &bankv1.PostEntryResponse{})
}

func entry(account, key string, amount int64) *bankv1.PostEntryRequest {
	return &bankv1.PostEntryRequest{
		IdempotencyKey: key, AccountId: account, Kind: bankv1.EntryKind_ENTRY_KIND_DEPOSIT, AmountMinor: amount, Currency: "EUR",
	}
}

// run runs every client until ctx ends; then each finishes what it has begun, for at most grace.
func (w *workload) run(ctx context.Context, grace time.Duration) {
	finish, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(grace, cancel) })
	defer stop()
	var clients sync.WaitGroup
	for id := range w.crew {
		what := []string{"transfers", "set", "transfers", "set", "retries", "holds"}[id%6]
		clients.Go(func() { w.client(id+1).loop(ctx, finish, what) })
	}
	clients.Wait()
}

// pace is how long a client waits between two commands.
const pace = 25 * time.Millisecond

func (c *client) loop(ctx, finish context.Context, what string) {
	account := fmt.Sprintf("%s%d.main", what, c.id)
	if what != "transfers" {
		c.openAccount(finish, account)
	}
	for ctx.Err() == nil {
		switch what {
		case "transfers":
			c.transfer(finish)
		case "set":
			c.deposit(finish, account, 1)
		case "retries":
			c.retry(finish, account)
		case "holds":
			c.hold(finish, account)
		}
		wait(ctx, pace)
	}
}

// transfer moves money between two accounts of the bank, now and then more than there is.
func (c *client) transfer(ctx context.Context) {
	from := c.rng.IntN(len(c.closed))
	to := (from + 1 + c.rng.IntN(len(c.closed)-1)) % len(c.closed)
	c.insist(ctx, &bankv1.TransferRequest{
		IdempotencyKey: c.key("move"), AccountId: c.closed[from], ToAccountId: c.closed[to], AmountMinor: 1 + c.rng.Int64N(400), Currency: "EUR",
	}, &bankv1.TransferResponse{})
}

// drained waits until no transfer is on its way any more (I-DRAIN).
func (w *workload) drained(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		var found bankv1.ListPendingTransfersResponse
		err := w.owners[0].conn.Invoke(ctx, "/bank.v1.TransactionsService/ListPendingTransfers", &bankv1.ListPendingTransfersRequest{}, &found)
		if err == nil && len(found.GetTransfers()) == 0 {
			return nil
		}
		if ctx.Err() != nil {
			return fmt.Errorf("%d transfers of bank %s have not ended %s after the last one began", len(found.GetTransfers()), w.name, patience)
		}
		wait(ctx, 100*time.Millisecond)
	}
}

// retry has several clients send one key at once, one of them now and then with other content.
func (c *client) retry(ctx context.Context, account string) {
	key := c.key("again")
	var all sync.WaitGroup
	for n := range 3 {
		other := c.workload.client(c.id*1000 + c.n*10 + n)
		amount := int64(5)
		if n == 2 && c.rng.IntN(3) == 0 {
			amount = 6
		}
		all.Go(func() { other.insist(ctx, entry(account, key, amount), &bankv1.PostEntryResponse{}) })
	}
	all.Wait()
}

// hold places a hold that is captured, released and expires at about the same time.
func (c *client) hold(ctx context.Context, account string) {
	c.deposit(ctx, account, 50)
	held := &bankv1.PlaceHoldResponse{}
	end := c.insist(ctx, &bankv1.PlaceHoldRequest{
		IdempotencyKey: c.key("hold"), AccountId: account, AmountMinor: 50, Currency: "EUR",
		ExpiresAt: timestamppb.New(time.Now().Add(time.Duration(100+c.rng.IntN(400)) * time.Millisecond)),
	}, held)
	if end.Kind != history.OK {
		return
	}
	capture := &bankv1.CaptureHoldRequest{IdempotencyKey: c.key("capture"), AccountId: account, HoldId: held.GetHoldId(), AmountMinor: 1 + c.rng.Int64N(50)}
	release := &bankv1.ReleaseHoldRequest{IdempotencyKey: c.key("release"), AccountId: account, HoldId: held.GetHoldId()}
	one, two := c.workload.client(c.id*1000+c.n), c.workload.client(c.id*1000+c.n+1)
	pause := time.Duration(c.rng.IntN(500)) * time.Millisecond
	var both sync.WaitGroup
	both.Go(func() { one.insist(ctx, capture, &bankv1.CaptureHoldResponse{}) })
	both.Go(func() {
		wait(ctx, pause)
		two.insist(ctx, release, &bankv1.ReleaseHoldResponse{})
	})
	both.Wait()
}
