//go:build synctests

package transactions

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/refold/refold/schemas/api/bankv1"
	"github.com/refold/refold/services/transactions/history"
	"github.com/refold/refold/streams/journal"
	"github.com/refold/refold/streams/topic"
)

// The workloads.
const (
	bankWork        = "bank"        // transfers among few accounts
	setWork         = "set"         // deposits of 1, each of which must be there once
	idempotenceWork = "idempotence" // few keys from many clients, also with other content
	holdWork        = "holds"       // placed, captured, released and expiring at once
	statusWork      = "status"      // frozen, unfrozen, reversed
)

const simulatedAccounts = 8

func simulatedAccount(n int) string { return fmt.Sprintf("c%d.main", n) }

// placed and posted are what clients know of one another's commands.
type placed struct {
	account, hold string
	amount        int64
}

type posted struct{ account, entry string }

// client sends commands of the plan's workloads, one after the other.
type client struct {
	*simulation
	name  string
	rng   *rand.Rand
	calls int
}

func (w *simulation) newClient(name string, stream uint64) *client {
	return &client{simulation: w, name: name, rng: rand.New(rand.NewPCG(w.seed, stream))}
}

// run sends commands until ctx ends.
func (c *client) run(ctx context.Context) {
	for wait(ctx.Done(), time.Duration(1+c.rng.Int64N(int64(c.plan.pause)))) {
		r := c.wish()
		for tries := 1 + c.rng.IntN(4); tries > 0 && ctx.Err() == nil; tries-- {
			if c.rng.IntN(8) == 0 { // the same at once, by another way
				twin := c.newClient(c.name+"'", c.rng.Uint64())
				c.leaving.Go(func() { twin.ask(ctx, r, twin.patience()) })
			}
			if c.ask(ctx, r, c.patience()) && c.rng.IntN(4) > 0 {
				break
			}
		}
	}
}

// patience is for how long a client waits for an answer.
func (c *client) patience() time.Duration {
	return time.Duration(1+c.rng.IntN(12_000)) * time.Millisecond
}

// wish returns the next command.
func (c *client) wish() proto.Message {
	switch c.plan.workloads[c.rng.IntN(len(c.plan.workloads))] {
	case setWork:
		return deposit(c.account(), c.key(), 1)
	case idempotenceWork:
		now := int(time.Since(c.begun) / (2 * time.Second))
		return deposit("c1.main", fmt.Sprintf("shared-%d-%d", now, c.rng.IntN(3)), 1+c.rng.Int64N(2))
	case holdWork:
		return c.holdWish()
	case statusWork:
		return c.statusWish()
	default:
		return c.transferWish()
	}
}

func (c *client) account() string { return simulatedAccount(c.rng.IntN(simulatedAccounts)) }

func (c *client) key() string {
	c.calls++
	return fmt.Sprintf("%s-%d", c.name, c.calls)
}

func (c *client) transferWish() proto.Message {
	from, to := c.account(), c.account()
	switch {
	case from == to:
		return withdrawal(from, c.key(), 1+c.rng.Int64N(20))
	case c.rng.IntN(10) == 0:
		to = fmt.Sprintf("c%d.nobody", c.rng.IntN(simulatedAccounts)) // comes back
	}
	return &bankv1.TransferRequest{
		IdempotencyKey: c.key(), AccountId: from, ToAccountId: to, AmountMinor: 1 + c.rng.Int64N(40), Currency: "EUR",
	}
}

func (c *client) holdWish() proto.Message {
	c.mu.Lock()
	known := len(c.holds)
	var h placed
	if known > 0 {
		h = c.holds[max(0, known-1-c.rng.IntN(6))]
	}
	c.mu.Unlock()
	switch {
	case known == 0 || c.rng.IntN(3) == 0:
		until := time.Now().Add(time.Duration(100+c.rng.IntN(15_000)) * time.Millisecond)
		return &bankv1.PlaceHoldRequest{
			IdempotencyKey: c.key(), AccountId: c.account(), AmountMinor: 1 + c.rng.Int64N(10), Currency: "EUR", ExpiresAt: timestamppb.New(until),
		}
	case c.rng.IntN(2) == 0:
		return &bankv1.ReleaseHoldRequest{IdempotencyKey: c.key(), AccountId: h.account, HoldId: h.hold}
	}
	return &bankv1.CaptureHoldRequest{IdempotencyKey: c.key(), AccountId: h.account, HoldId: h.hold, AmountMinor: c.rng.Int64N(h.amount + 2)}
}

func (c *client) statusWish() proto.Message {
	c.mu.Lock()
	var e posted
	if n := len(c.entries); n > 0 {
		e = c.entries[c.rng.IntN(n)]
	}
	c.mu.Unlock()
	switch {
	case c.rng.IntN(5) == 0:
		return &bankv1.FreezeAccountRequest{IdempotencyKey: c.key(), AccountId: c.account(), Reason: "simulated"}
	case c.rng.IntN(2) == 0:
		return &bankv1.UnfreezeAccountRequest{IdempotencyKey: c.key(), AccountId: c.account(), Reason: "simulated"}
	case e.entry == "":
		return deposit(c.account(), c.key(), 5)
	}
	return &bankv1.ReverseEntryRequest{IdempotencyKey: c.key(), AccountId: e.account, EntryId: e.entry}
}

// ask sends a command once, to the owner of its partition or to anyone, and says whether there was an answer.
func (c *client) ask(ctx context.Context, r proto.Message, patience time.Duration) bool {
	p := c.choose(r)
	if p == nil {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	account := r.(request).GetAccountId()
	e := history.Ask(r.(history.Request))
	e.Client, e.Instance = c.name, p.name
	e = c.history.Call(e)
	answer, err := send(ctx, p.Server, r)
	c.history.Add(ended(e, answer, err))
	if err == nil {
		c.learn(account, answer)
	}
	var refusal *Refusal
	if err != nil && !errors.As(err, &refusal) && !retryable(err) && ctx.Err() == nil {
		c.t.Errorf("%s %s: %v", e.Command, e.Key, err)
	}
	return err == nil || refusal != nil
}

// choose returns a process to ask: mostly one that believes to own the partition.
func (c *client) choose(r proto.Message) *process {
	customer, _ := customerOf(r.(request).GetAccountId())
	partition := topic.Of(customer, c.partitions)
	all := c.running()
	if len(all) == 0 {
		return nil
	}
	c.rng.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	if c.rng.IntN(5) == 0 {
		return all[0]
	}
	for _, p := range all {
		if p.owns(partition) {
			return p
		}
	}
	return all[0]
}

func (p *process) owns(partition int32) bool {
	for _, s := range p.cfg.Journal.Status() {
		if s.Partition == partition {
			return true
		}
	}
	return false
}

// learn remembers what others may use.
func (c *client) learn(account string, answer proto.Message) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch a := answer.(type) {
	case *bankv1.PlaceHoldResponse:
		c.holds = append(c.holds, placed{account, a.GetHoldId(), 10})
	case *bankv1.PostEntryResponse:
		c.entries = append(c.entries, posted{account, a.GetRecord().GetEventId()})
	case *bankv1.TransferResponse:
		c.entries = append(c.entries, posted{account, a.GetRecord().GetEventId()})
	}
}

// ended is the end of a call in the history.
func ended(e history.Event, answer proto.Message, err error) history.Event {
	var refusal *Refusal
	switch {
	case err == nil:
		e.Accept(answer.(history.Answer))
	case errors.As(err, &refusal):
		e.Refuse(refusal.Reason, refusal.Detail, refusal.Record)
	case errors.Is(err, journal.ErrNotOwner):
		e.Refuse("NOT_OWNER", err.Error(), nil)
	case errors.Is(err, journal.ErrBusy):
		e.Refuse("BUSY", err.Error(), nil)
	default:
		e.Doubt("", err.Error())
	}
	return e
}

// send calls the method of a request.
func send(ctx context.Context, s *Server, r proto.Message) (proto.Message, error) {
	switch r := r.(type) {
	case *bankv1.OpenAccountRequest:
		return s.OpenAccount(ctx, r)
	case *bankv1.PostEntryRequest:
		return s.PostEntry(ctx, r)
	case *bankv1.TransferRequest:
		return s.Transfer(ctx, r)
	case *bankv1.PlaceHoldRequest:
		return s.PlaceHold(ctx, r)
	case *bankv1.CaptureHoldRequest:
		return s.CaptureHold(ctx, r)
	case *bankv1.ReleaseHoldRequest:
		return s.ReleaseHold(ctx, r)
	case *bankv1.FreezeAccountRequest:
		return s.FreezeAccount(ctx, r)
	case *bankv1.UnfreezeAccountRequest:
		return s.UnfreezeAccount(ctx, r)
	case *bankv1.ReverseEntryRequest:
		return s.ReverseEntry(ctx, r)
	}
	return nil, fmt.Errorf("no method takes %T", r)
}
