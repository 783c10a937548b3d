package main

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/refold/refold/schemas/api/bankv1"
)

const (
	// accounts is how many accounts the commands are about.
	accounts = 10_000
	// inFlight is how many commands wait for an answer, each in a call of its own.
	inFlight = 256
	// rounds is how often a rate is measured, and measured how long.
	rounds   = 3
	measured = 3 * time.Second
)

// setups are what commands are measured on: the journal by itself, and with every read model following it in
// the same process, on the same processors.
var setups = []struct {
	folder string
	with   string // ends the names of its figures
	args   []string
}{
	{"journal", "", []string{"--role", "registry,transactions"}},
	{"everything", ", with read models", nil},
}

// journal measures commands: the program is a process of its own with the embedded broker in it, and the
// commands come from this one, on the same processors. Each rate stands beside that of a plain client which
// produces records of the same size to the same broker, with as many in flight, without a transaction.
func (b *bench) journal(ctx context.Context) error {
	if !b.wants(partSingle, partUnary, partSteady, partSubmit) {
		return nil
	}
	// A caller of a few megabytes collects memory a dozen times a second, and each time stops for up to 4 ms, in which its
	// answers are not taken: the server would be held to account for it.
	defer debug.SetGCPercent(debug.SetGCPercent(1600))
	for _, setup := range setups {
		s, err := b.child(ctx, setup.folder)
		if err != nil {
			return err
		}
		if _, err := s.up(ctx, setup.args...); err != nil {
			return err
		}
		if err := errors.Join(b.commands(ctx, s, setup.with), s.kill()); err != nil {
			return err
		}
	}
	return nil
}

// commands measures commands to one server.
func (b *bench) commands(ctx context.Context, s *child, with string) (err error) {
	c, err := connect(s.grpc)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.conn.Close()) }()
	c.with = with
	if _, err := c.submit(ctx, accounts, 0, open); err != nil {
		return err
	}
	for _, part := range []func(context.Context, *child, *commander) error{b.single, b.unary, b.steady, b.submit} {
		if err := part(ctx, s, c); err != nil {
			return err
		}
	}
	return nil
}

// single measures one command after the other.
func (b *bench) single(ctx context.Context, _ *child, c *commander) error {
	if !b.wants(partSingle) {
		return nil
	}
	var times []time.Duration
	for range 1_000 {
		start := time.Now()
		if err := c.post(ctx); err != nil {
			return fmt.Errorf("one command alone: %w", err)
		}
		times = append(times, time.Since(start))
	}
	b.add(figure{Name: "one command alone p50" + c.with, Value: millis(times, 50), Unit: "ms", Goal: "at most 6 ms"})
	b.add(figure{Name: "one command alone p99" + c.with, Value: millis(times, 99), Unit: "ms"})
	return nil
}

// unary measures many callers, each of whom sends a command when the one before it was answered.
func (b *bench) unary(ctx context.Context, s *child, c *commander) error {
	if !b.wants(partUnary, partSteady) {
		return nil
	}
	var times []time.Duration
	var mu sync.Mutex
	r, err := s.inTurn(func() (float64, error) {
		return closed(ctx, func(ctx context.Context) error {
			start := time.Now()
			err := c.post(ctx)
			mu.Lock()
			defer mu.Unlock()
			times = append(times, time.Since(start))
			return err
		})
	}, func() (float64, error) { return plainUnary(ctx, s.kafka) })
	if err != nil {
		return fmt.Errorf("unary commands: %w", err)
	}
	b.add(figure{Name: "plain produce, 256 in flight" + c.with, Value: r.plain, Unit: "records/s"})
	b.add(figure{Name: unaryRate + c.with, Value: r.rate, Unit: "commands/s", Ratio: r.rate / r.plain, Of: "plain produce", Goal: "at least 12,000 commands/s"})
	b.add(figure{Name: "processor time of a unary command" + c.with, Value: r.micros, Unit: "µs, all of the server"})
	b.add(figure{Name: "unary commands p99" + c.with, Value: millis(times, 99), Unit: "ms"})
	return nil
}

// rates are what the same server did in turn.
type rates struct {
	rate, plain float64
	micros      float64 // of the server's processors for one of rate
}

// inTurn measures a rate and a plain one in turn, and takes the best of each, so that a noisy second hurts
// both alike.
func (c *child) inTurn(measure, plain func() (float64, error)) (r rates, err error) {
	for range rounds {
		before, err := c.processor()
		if err != nil {
			return r, err
		}
		rate, err := measure()
		if err != nil {
			return r, err
		}
		after, err := c.processor()
		if err != nil {
			return r, err
		}
		if rate > r.rate {
			r.rate, r.micros = rate, float64((after-before).Microseconds())/rate/measured.Seconds()
		}
		if rate, err = plain(); err != nil {
			return r, err
		}
		r.plain = max(r.plain, rate)
	}
	return r, nil
}

const unaryRate = "unary commands, 256 in flight"

// steady measures commands that come at half the rate that the callers reached, each from its intended time.
func (b *bench) steady(ctx context.Context, _ *child, c *commander) error {
	if !b.wants(partSteady) {
		return nil
	}
	rate := int(b.value(unaryRate+c.with) / 2)
	var mu sync.Mutex
	var times []time.Duration
	var problem error
	var sent sync.WaitGroup
	err := pace(ctx, rate*int(rounds*measured/time.Second), time.Second/time.Duration(rate), func(_ int, at time.Time) {
		sent.Go(func() {
			err := c.post(ctx)
			mu.Lock()
			defer mu.Unlock()
			times, problem = append(times, time.Since(at)), cmpErr(problem, err)
		})
	})
	sent.Wait()
	if err = cmpErr(problem, err); err != nil {
		return fmt.Errorf("steady commands: %w", err)
	}
	b.add(figure{Name: "commands at half that rate p50" + c.with, Value: millis(times, 50), Unit: fmt.Sprintf("ms at %d commands/s", rate)})
	b.add(figure{Name: "commands at half that rate p99" + c.with, Value: millis(times, 99), Unit: "ms", Goal: "at most 40 ms"})
	return nil
}

// submit measures commands through the batch RPC.
func (b *bench) submit(ctx context.Context, s *child, c *commander) error {
	if !b.wants(partSubmit) {
		return nil
	}
	r, err := s.inTurn(
		func() (float64, error) { return c.submit(ctx, 1<<30, measured, c.purchase) },
		func() (float64, error) { return plainBulk(ctx, s.kafka) },
	)
	if err != nil {
		return err
	}
	b.add(figure{Name: "plain produce, 16,384 in flight" + c.with, Value: r.plain, Unit: "records/s"})
	b.add(figure{Name: "commands through Submit" + c.with, Value: r.rate, Unit: "commands/s", Ratio: r.rate / r.plain, Of: "plain produce", Goal: "at least 50,000, aim 100,000 commands/s"})
	b.add(figure{Name: "processor time of a command through Submit" + c.with, Value: r.micros, Unit: "µs, all of the server"})
	return nil
}

// cmpErr returns the first error.
func cmpErr(errs ...error) error {
	i := slices.IndexFunc(errs, func(err error) bool { return err != nil })
	if i < 0 {
		return nil
	}
	return errs[i]
}

// commander sends commands to a server.
type commander struct {
	conn *grpc.ClientConn
	bank bankv1.TransactionsServiceClient
	n    atomic.Int64 // commands made
	with string       // ends the names of figures
}

func connect(address string) (*commander, error) {
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", address, err)
	}
	return &commander{conn: conn, bank: bankv1.NewTransactionsServiceClient(conn)}, nil
}

// next returns the next purchase, with a key of its own.
func (c *commander) next() *bankv1.PostEntryRequest {
	i := int(c.n.Add(1))
	return &bankv1.PostEntryRequest{
		IdempotencyKey: fmt.Sprintf("command-%09d", i), AccountId: accountOf(i), Currency: "GBP",
		Kind: bankv1.EntryKind_ENTRY_KIND_CARD_PURCHASE, AmountMinor: int64(i%20_000 + 1),
		Merchant: fmt.Sprintf("merchant number %d", i%merchants), Category: word(i),
	}
}

func (c *commander) purchase(int) *bankv1.Command {
	return &bankv1.Command{Command: &bankv1.Command_PostEntry{PostEntry: c.next()}}
}

func (c *commander) post(ctx context.Context) error {
	_, err := c.bank.PostEntry(ctx, c.next())
	return err
}

func accountOf(i int) string { return customer((i*7919)%accounts) + ".card" }

func open(i int) *bankv1.Command {
	return &bankv1.Command{Command: &bankv1.Command_OpenAccount{OpenAccount: opening(customer(i), "open")}}
}

// opening opens the card account of a customer.
func opening(customer, key string) *bankv1.OpenAccountRequest {
	return &bankv1.OpenAccountRequest{
		IdempotencyKey: key, AccountId: customer + ".card", Kind: bankv1.AccountKind_ACCOUNT_KIND_CARD,
		Currency: "GBP", OverdraftLimitMinor: 1e12,
	}
}

// closed calls do from as many goroutines as may be in flight for a while, and returns the calls a second.
func closed(ctx context.Context, do func(context.Context) error) (float64, error) {
	var done atomic.Int64
	var mu sync.Mutex
	var problem error
	var callers sync.WaitGroup
	start := time.Now()
	for range inFlight {
		callers.Go(func() {
			for time.Since(start) < measured {
				if err := do(ctx); err != nil {
					mu.Lock()
					defer mu.Unlock()
					problem = cmpErr(problem, err)
					return
				}
				done.Add(1)
			}
		})
	}
	callers.Wait()
	return float64(done.Load()) / time.Since(start).Seconds(), problem
}
