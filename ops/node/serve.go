package node

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/refold/refold/projections/engine"
	"github.com/refold/refold/services/gateway"
	"github.com/refold/refold/services/transactions"
	"github.com/refold/refold/streams/cluster"
	"github.com/refold/refold/streams/position"
	"github.com/refold/refold/streams/topic"
)

// openGateway makes the door that the services are put behind, and says where it will be.
func (n *Node) openGateway(ctx context.Context) (err error) {
	if n.validator, err = gateway.NewValidator(); err != nil {
		return err
	}
	n.gateway = gateway.NewServer(gateway.Config{
		Authenticator: gateway.LocalOperator{}, Validator: n.validator, Ready: n.Ready, Logger: n.cfg.Logger,
	})
	if !n.cfg.has(Transactions) && !n.cfg.has(Projections) {
		return nil
	}
	for _, door := range []struct {
		name, address string
		at            *string
	}{{"gRPC", n.cfg.Listen.GRPC, &n.addresses.GRPC}, {"REST", n.cfg.Listen.HTTP, &n.addresses.HTTP}} {
		l, err := listen(ctx, door.address)
		if err != nil {
			return fmt.Errorf("%s: %w", door.name, err)
		}
		n.doors = append(n.doors, l)
		n.parts.add(door.name+" listener", func() error { return closeListener(l) })
		*door.at = l.Addr().String()
	}
	return n.reachable()
}

// closeListener closes a listener that a server may have closed already.
func closeListener(l net.Listener) error {
	if err := l.Close(); !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

// reachable refuses an address at which other nodes would reach themselves.
func (n *Node) reachable() error {
	if n.cfg.Kafka == "" || n.cfg.Advertise != "" || !n.cfg.has(Transactions) {
		return nil
	}
	at, err := netip.ParseAddrPort(n.addresses.GRPC)
	if err != nil || at.Addr().IsUnspecified() {
		return fmt.Errorf("gRPC listens on %s: where other nodes reach this one must be said", n.addresses.GRPC)
	}
	return nil
}

// serve opens the door, and begins what works behind it.
func (n *Node) serve(ctx context.Context) error {
	if len(n.doors) == 0 {
		return nil
	}
	n.parts.start("gateway", func(ctx context.Context) error { return n.gateway.Serve(ctx, n.doors[0], n.doors[1]) })
	for _, begin := range n.begin {
		begin()
	}
	return n.settle(ctx)
}

// settle waits until everything serves, where all of it is in this process.
func (n *Node) settle(ctx context.Context) error {
	if n.cfg.Kafka != "" {
		return nil
	}
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(time.Minute)
	for {
		err := n.Ready(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-deadline:
			return fmt.Errorf("start: %w", err)
		case failure := <-n.parts.failed:
			return failure
		case <-ctx.Done():
			return fmt.Errorf("start: %w", ctx.Err())
		}
	}
}

// Position returns a token of the end of the journal as it is now: a read that is given it shows everything
// that was committed before.
func (n *Node) Position(ctx context.Context) (string, error) {
	client, err := n.cluster.Client()
	if err != nil {
		return "", err
	}
	defer client.Close()
	at, err := cluster.Settled(ctx, client, topic.Transactions)
	if err != nil {
		return "", err
	}
	return position.Token{Positions: at}.Encode(), nil
}

// Ready returns nil where the node serves all it should, or why it does not. A projection that is being
// rebuilt is ready, one that stands still is not.
func (n *Node) Ready(ctx context.Context) error {
	for _, check := range n.checks {
		if err := check(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (n *Node) journalReady(ctx context.Context, j *transactions.Journal) error {
	served := make(map[int32]bool)
	for _, s := range j.Status() {
		if s.State.Serves() {
			served[s.Partition] = true
		} else if s.Problem != "" {
			return fmt.Errorf("partition %d of the journal is %s: %s", s.Partition, s.State, s.Problem)
		}
	}
	if n.cfg.Kafka != "" {
		return nil
	}
	err := allOwned(n.cfg.Partitions, served, func(p int32) (string, error) { return j.Owner(ctx, p, time.Second) })
	if err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	return nil
}

// allOwned says which partition is served neither here nor by another node.
func allOwned(partitions int32, served map[int32]bool, other func(partition int32) (string, error)) error {
	for p := range partitions {
		if served[p] {
			continue
		}
		if owner, err := other(p); err != nil || owner == "" {
			return fmt.Errorf("%d of %d partitions are served here, and nobody else has partition %d", len(served), partitions, p)
		}
	}
	return nil
}

func (n *Node) projectionsReady(ctx context.Context, e *engine.Engine) error {
	for _, name := range e.Names() {
		live, all, err := e.Statuses(name)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(all, func(s engine.Status) bool { return s.Number == live })
		switch {
		case i < 0:
			return fmt.Errorf("projection %s has no generation yet", name)
		case all[i].Err != nil:
			return fmt.Errorf("projection %s stands still: %w", name, all[i].Err)
		case n.cfg.Kafka != "":
			continue
		}
		served := make(map[int32]bool)
		for _, p := range all[i].Progress {
			served[p.Partition] = true
		}
		err = allOwned(n.cfg.Partitions, served, func(p int32) (string, error) { return e.Owner(ctx, name, p, time.Second) })
		if err != nil {
			return fmt.Errorf("projection %s: %w", name, err)
		}
	}
	return nil
}
