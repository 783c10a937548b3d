package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"

	"github.com/refold/refold/schemas/api/bankv1"
	"github.com/refold/refold/services/transactions/history"
)

// fleet is a bank on three nodes of Kafka and three of Cassandra: owners, and workers that fold the read models into
// shared rows, none of which is the only one that can do what it does.
type fleet struct {
	*bank
	brokers   []*process // nodes of Kafka
	rows      []*process // nodes of Cassandra
	workers   []*process
	cassandra string // where they answer
}

// keyspace holds the rows of a cluster.
const keyspace = "bank"

func (c *fleet) rowsAt() string {
	return fmt.Sprintf("cassandra://%s/%s?replicas=%d", c.cassandra, keyspace, nodes)
}

// addWorker starts a process that folds read models.
func (c *fleet) addWorker() error {
	name := fmt.Sprint("worker-", len(c.workers)+1)
	p := c.refold(name, "serve", "--role=projections", "--kafka", c.kafka, "--registry-url", "http://"+c.registry, "--rows", c.rowsAt(),
		"--grpc", "127.0.0.1:0", "--http", "127.0.0.1:0", "--operators", "")
	c.workers = append(c.workers, p)
	c.others = append(c.others, p)
	return p.start()
}

// startAll starts processes side by side.
func startAll(all []*process) error {
	problems := make([]error, len(all))
	var starts sync.WaitGroup
	for i, p := range all {
		starts.Go(func() { problems[i] = p.start() })
	}
	starts.Wait()
	return errors.Join(problems...)
}

// fleetSite is a fleet under load.
type fleetSite struct {
	*workload
	fleet *fleet
}

// disturbFleet disturbs a cluster, one fault after the other, and holds what it kept against what it promised: the
// journal against the history of what clients were told, rows against a fold of the log by one task after the other,
// and effects against those of that fold.
func (b *battery) disturbFleet(ctx context.Context) error {
	c, err := b.newCluster("cluster", 4)
	defer func() { c.close() }()
	if err != nil {
		return err
	}
	for range 2 {
		if err := c.addOwner(directOwner); err != nil {
			return err
		}
	}
	for range 3 {
		if err := c.addWorker(); err != nil {
			return err
		}
	}
	w, err := c.newWorkload()
	if err != nil {
		return err
	}
	w.crew = 6
	if err := w.open(ctx); err != nil {
		return err
	}
	load, end := context.WithCancel(ctx)
	var clients sync.WaitGroup
	clients.Go(func() { w.run(load, patience) })
	clients.Go(func() { w.client(900).spend(load) })
	shown, hide := context.WithCancel(ctx)
	clients.Go(func() { b.show(shown, w) })
	b.injectFleet(ctx, &fleetSite{w, c})
	end()
	hide()
	clients.Wait()
	if err := w.drained(ctx); err != nil {
		b.found(history.Finding{Breach: broken, What: err.Error()})
	}
	if err := c.checkRows(ctx); err != nil {
		return err
	}
	return b.judge(ctx, w)
}

// injectFleet injects every fault of a cluster, in an order of the seed, again and again until the time is over.
func (b *battery) injectFleet(ctx context.Context, s *fleetSite) {
	ctx, cancel := context.WithTimeout(ctx, b.long)
	defer cancel()
	rng := rand.New(rand.NewPCG(b.seed, 0))
	all := slices.DeleteFunc(fleetFaults(b.down), func(f fleetFault) bool {
		return b.short && f.slow || !strings.Contains(f.name, b.only)
	})
	for len(all) > 0 {
		rng.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		for _, f := range all {
			if ctx.Err() != nil {
				return
			}
			// What is begun is ended, so that the cluster is whole again.
			if err := f.inject(context.WithoutCancel(ctx), s, rng.IntN(1<<20)); err != nil {
				b.problem(fmt.Errorf("%s: %w", f.name, err))
				return
			}
			s.note(place{row: f.name})
			if err := s.serving(context.WithoutCancel(ctx)); err != nil {
				b.found(history.Finding{Breach: broken, What: fmt.Sprintf("after %s: %s", f.name, err)})
			}
		}
	}
}

// spend has purchases that customers are told of, until ctx ends.
func (c *client) spend(ctx context.Context) {
	for n := 0; ctx.Err() == nil; n++ {
		account := fmt.Sprintf("spender%d.main", n%16)
		if n < 16 {
			c.openAccount(ctx, account)
		}
		c.deposit(ctx, account, 60_000)
		c.insist(ctx, &bankv1.PostEntryRequest{
			IdempotencyKey: c.key("buy"), AccountId: account, Kind: bankv1.EntryKind_ENTRY_KIND_CARD_PURCHASE,
			AmountMinor: 55_000, Currency: "EUR", Merchant: "a travel agency", Mcc: "4722",
		}, &bankv1.PostEntryResponse{})
		wait(ctx, pace)
	}
}
