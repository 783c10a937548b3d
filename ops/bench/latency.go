package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/refold/refold/schemas/api/bankv1"
)

const (
	commandRate = 500 // per second
	loadTime    = 10 * time.Second
	queries     = 5000
)

// latencies measures commands under a steady load: how long until one is committed, and how long until a
// query shows it, both from when it should have been sent; and then queries alone.
func (b *bench) latencies(ctx context.Context, c *child) error {
	if !b.wants(partLatency) {
		return nil
	}
	conn, err := grpc.NewClient(c.grpc, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer conn.Close()
	l := &load{bank: bankv1.NewTransactionsServiceClient(conn), reports: bankv1.NewReportsServiceClient(conn)}
	if err := l.run(ctx); err != nil {
		return err
	}
	b.add(figure{Name: "commands committed", Value: l.rate(), Unit: "commands/s", Ratio: l.rate() / commandRate, Of: "what was intended"})
	b.add(figure{Name: "append to commit p50", Value: millis(l.committed, 50), Unit: "ms at 500 commands/s"})
	b.add(figure{Name: "append to commit p99", Value: millis(l.committed, 99), Unit: "ms"})
	b.add(figure{Name: "append to visible p50", Value: millis(l.visible, 50), Unit: "ms at 500 commands/s"})
	b.add(figure{Name: "append to visible p99", Value: millis(l.visible, 99), Unit: "ms", Goal: "at most 150 ms"})
	times, err := l.query(ctx)
	if err != nil {
		return err
	}
	b.add(figure{Name: "point query p50", Value: millis(times, 50), Unit: "ms"})
	b.add(figure{Name: "point query p99", Value: millis(times, 99), Unit: "ms", Goal: "at most 5 ms"})
	times, lines, err := l.statements(ctx)
	if err != nil {
		return err
	}
	b.add(figure{Name: "statement of all that an account has, p50", Value: millis(times, 50), Unit: fmt.Sprintf("ms, of %d lines on average", lines)})
	b.add(figure{Name: "statement of all that an account has, p99", Value: millis(times, 99), Unit: "ms", Goal: "at most 20 ms"})
	return nil
}

// load sends commands at a steady rate, each in a goroutine of its own, so that a slow answer delays no
// other command.
type load struct {
	bank    bankv1.TransactionsServiceClient
	reports bankv1.ReportsServiceClient
	start   time.Time

	mu                 sync.Mutex
	committed, visible []time.Duration // guarded by mu
	problems           []error         // guarded by mu
	last               time.Time       // when the last one was committed; guarded by mu
}

func (l *load) run(ctx context.Context) error {
	var sent sync.WaitGroup
	l.start = time.Now()
	err := pace(ctx, commandRate*int(loadTime/time.Second), time.Second/commandRate, func(i int, at time.Time) {
		sent.Go(func() { l.one(ctx, i, at) })
	})
	sent.Wait()
	if err != nil {
		return fmt.Errorf("load: %w", err)
	}
	if len(l.problems) > 0 {
		return fmt.Errorf("load: %d of %d commands: %w", len(l.problems), len(l.committed), errors.Join(l.problems[:1]...))
	}
	return nil
}

// pace calls do n times, each at its time: the first one now, every other an interval after the time of the
// one before it. A call that comes late shifts none of the later ones, and is told when it should have come.
func pace(ctx context.Context, n int, interval time.Duration, do func(i int, at time.Time)) error {
	start := time.Now()
	for i := range n {
		at := start.Add(time.Duration(i) * interval)
		timer := time.NewTimer(time.Until(at))
		select {
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case <-timer.C:
		}
		do(i, at)
	}
	return nil
}

// one sends one command and waits until a query shows it. Times count from when it should have been sent,
// so that what holds up the sender is not left out of them.
func (l *load) one(ctx context.Context, i int, at time.Time) {
	account := fmt.Sprintf("bcc-%04d.card", (i*7919)%cards)
	resp, err := l.bank.PostEntry(ctx, &bankv1.PostEntryRequest{
		IdempotencyKey: fmt.Sprintf("load-%d", i), AccountId: account,
		Kind: bankv1.EntryKind_ENTRY_KIND_CARD_PURCHASE, AmountMinor: 100, Currency: "GBP", Category: "load",
	})
	committed := time.Now()
	if err == nil {
		_, err = l.reports.GetAccount(ctx, &bankv1.GetAccountRequest{AccountId: account, MinPosition: resp.GetRecord().GetPosition()})
	}
	visible := time.Since(at)
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		l.problems = append(l.problems, err)
	}
	if committed.After(l.last) {
		l.last = committed
	}
	l.committed, l.visible = append(l.committed, committed.Sub(at)), append(l.visible, visible)
}

// rate returns how many commands were committed a second, from the first one sent to the last one committed.
func (l *load) rate() float64 { return float64(len(l.committed)) / l.last.Sub(l.start).Seconds() }

// query asks for accounts one after the other.
func (l *load) query(ctx context.Context) (times []time.Duration, err error) {
	for i := range queries {
		start := time.Now()
		_, err := l.reports.GetAccount(ctx, &bankv1.GetAccountRequest{AccountId: fmt.Sprintf("bcc-%04d.card", (i*7919)%cards)})
		if err != nil {
			return nil, fmt.Errorf("query: %w", err)
		}
		times = append(times, time.Since(start))
	}
	return times, nil
}

// statements asks for the statements of accounts one after the other, each on one page: what was imported is of some
// years. It also returns how many lines one has.
func (l *load) statements(ctx context.Context) (times []time.Duration, lines int, err error) {
	const statements = 1000
	for i := range statements {
		start := time.Now()
		r, err := l.reports.ListEntries(ctx, &bankv1.ListEntriesRequest{AccountId: fmt.Sprintf("bcc-%04d.card", (i*7919)%cards), PageSize: 1000})
		if err != nil {
			return nil, 0, fmt.Errorf("statement: %w", err)
		}
		lines += len(r.GetEntries())
		times = append(times, time.Since(start))
	}
	return times, lines / statements, nil
}

// millis returns a percentile in milliseconds.
func millis(times []time.Duration, percent int) float64 {
	slices.Sort(times)
	return float64(times[min(len(times)*percent/100, len(times)-1)]) / float64(time.Millisecond)
}
