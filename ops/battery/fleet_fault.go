package main

import (
	"context"
	"fmt"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/refold/refold/streams/topic"
)

// fleetFault is one way to disturb a cluster under load.
type fleetFault struct {
	name string
	// slow says that it takes more than a few seconds.
	slow bool
	// inject ends when the cluster is whole again; luck is any number.
	inject func(ctx context.Context, s *fleetSite, luck int) error
}

func fleetFaults(down time.Duration) []fleetFault {
	restart := func(signal syscall.Signal, which func(*fleetSite) []*process) func(context.Context, *fleetSite, int) error {
		return func(_ context.Context, s *fleetSite, luck int) error {
			all := which(s)
			return all[luck%len(all)].restart(signal, func() {})
		}
	}
	owners := func(s *fleetSite) (out []*process) {
		for _, o := range s.owners {
			out = append(out, o.process)
		}
		return out
	}
	workers := func(s *fleetSite) []*process { return s.fleet.workers }
	rows := func(s *fleetSite) []*process { return s.fleet.rows }
	return []fleetFault{
		{name: "leader of a partition SIGKILL (KW-8)", inject: atLeader(func(p *process) error { return p.restart(syscall.SIGKILL, func() {}) })},
		{name: "leader of a partition stopped cleanly (KW-8)", inject: atLeader(func(p *process) error { return p.restart(syscall.SIGTERM, func() {}) })},
		{name: "leader of a partition SIGSTOP for 12 s (KW-8)", slow: true, inject: atLeader(freeze)},
		{name: "coordinator of a transaction SIGKILL (KW-9)", inject: atCoordinator(func(p *process) error { return p.restart(syscall.SIGKILL, func() {}) })},
		{name: "coordinator of a transaction SIGSTOP for 12 s (KW-9)", slow: true, inject: atCoordinator(freeze)},
		{name: "brokers restarted one after the other", slow: true, inject: oneByOne(func(s *fleetSite) []*process { return s.fleet.brokers })},
		{name: "min ISR lost and back (KW-7)", slow: true, inject: tooFewReplicas},
		{name: fmt.Sprintf("all brokers down for %s (KW-23)", down), slow: true, inject: allDown(down)},
		{name: "owner SIGKILL", inject: restart(syscall.SIGKILL, owners)},
		{name: "owner SIGSTOP for 12 s (KW-1)", slow: true, inject: frozen(owners)},
		{name: "owners restarted one after the other (KW-21)", inject: oneByOne(owners)},
		{name: "owners from 2 to 1 to 2 (KW-20)", inject: scaled},
		{name: "worker SIGKILL", inject: restart(syscall.SIGKILL, workers)},
		{name: "worker SIGSTOP for 12 s (PJ-2)", slow: true, inject: frozen(workers)},
		{name: "workers restarted one after the other (PJ-7)", inject: oneByOne(workers)},
		{name: "node of Cassandra SIGKILL (PJ-15)", slow: true, inject: restart(syscall.SIGKILL, rows)},
		{name: "node of Cassandra SIGSTOP for 12 s (PJ-3)", slow: true, inject: frozen(rows)},
		{name: "two nodes of Cassandra SIGKILL (PJ-15)", slow: true, inject: twoOfThree},
	}
}

// freeze stops a process for longer than its sessions and transactions last.
func freeze(p *process) error {
	p.signal(syscall.SIGSTOP)
	wait(context.Background(), longStop)
	p.signal(syscall.SIGCONT)
	return nil
}

func frozen(which func(*fleetSite) []*process) func(context.Context, *fleetSite, int) error {
	return func(_ context.Context, s *fleetSite, luck int) error {
		all := which(s)
		return freeze(all[luck%len(all)])
	}
}

// oneByOne stops every process cleanly and starts it again; the next one follows when the bank serves.
func oneByOne(which func(*fleetSite) []*process) func(context.Context, *fleetSite, int) error {
	return func(ctx context.Context, s *fleetSite, _ int) error {
		for _, p := range which(s) {
			if err := p.restart(syscall.SIGTERM, func() {}); err != nil {
				return err
			}
			if err := s.serving(ctx); err != nil {
				return err
			}
		}
		return nil
	}
}

// admin asks the brokers something.
func (c *fleet) admin(ctx context.Context, do func(context.Context, *kadm.Client) error) error {
	client, err := c.bank.cluster().Client()
	if err != nil {
		return err
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return do(ctx, kadm.NewClient(client))
}

// atLeader does something to the node that leads a partition of the journal.
func atLeader(do func(*process) error) func(context.Context, *fleetSite, int) error {
	return func(ctx context.Context, s *fleetSite, luck int) error {
		leader := int32(0)
		err := s.fleet.admin(ctx, func(ctx context.Context, admin *kadm.Client) error {
			topics, err := admin.ListTopics(ctx, topic.Transactions)
			if err == nil {
				leader = topics[topic.Transactions].Partitions[int32(luck%s.partitions)].Leader
			}
			return err
		})
		if err != nil || leader < 1 {
			return fmt.Errorf("find a leader: %d, %w", leader, err)
		}
		return do(s.fleet.brokers[leader-1])
	}
}

// atCoordinator does something to the node that coordinates the transactions of a partition of the journal.
func atCoordinator(do func(*process) error) func(context.Context, *fleetSite, int) error {
	return func(ctx context.Context, s *fleetSite, luck int) error {
		id, node := fmt.Sprintf("%s-%d", topic.Transactions, luck%s.partitions), int32(0)
		err := s.fleet.admin(ctx, func(ctx context.Context, admin *kadm.Client) error {
			found := admin.FindTxnCoordinators(ctx, id)
			node = found[id].NodeID
			return found[id].Err
		})
		if err != nil || node < 1 {
			return fmt.Errorf("find the coordinator of %s: %d, %w", id, node, err)
		}
		return do(s.fleet.brokers[node-1])
	}
}

// tooFewReplicas asks for three replicas in sync and takes one away. Nothing is acknowledged until it is back.
func tooFewReplicas(ctx context.Context, s *fleetSite, luck int) error {
	if err := s.fleet.wantInSync(ctx, "3"); err != nil {
		return err
	}
	away := s.fleet.brokers[luck%nodes]
	away.end(syscall.SIGKILL)
	st := &stage{workload: s.workload}
	for p := range s.partitions {
		st.silent(ctx, p, 3*time.Second)
	}
	if err := away.start(); err != nil {
		return err
	}
	if err := s.serving(ctx); err != nil {
		return err
	}
	return s.fleet.wantInSync(ctx, "2")
}

// wantInSync says how many replicas of the journal must be in sync.
func (c *fleet) wantInSync(ctx context.Context, n string) error {
	return c.admin(ctx, func(ctx context.Context, admin *kadm.Client) error {
		_, err := admin.AlterTopicConfigs(ctx, []kadm.AlterConfig{{Op: kadm.SetConfig, Name: "min.insync.replicas", Value: &n}}, topic.Transactions)
		return err
	})
}

// allDown kills every broker, and starts them again after a while.
func allDown(down time.Duration) func(context.Context, *fleetSite, int) error {
	return func(ctx context.Context, s *fleetSite, _ int) error {
		for _, p := range s.fleet.brokers {
			p.end(syscall.SIGKILL)
		}
		wait(ctx, down)
		return startAll(s.fleet.brokers)
	}
}

// scaled takes one owner away, and back when the other has everything.
func scaled(ctx context.Context, s *fleetSite, luck int) error {
	away := s.owners[luck%len(s.owners)]
	away.end(syscall.SIGTERM)
	if err := s.serving(ctx); err != nil {
		return err
	}
	return away.start()
}

// twoOfThree takes two nodes of Cassandra away: rows wait, and what was saved stays saved. The journal goes on.
func twoOfThree(ctx context.Context, s *fleetSite, luck int) error {
	one, two := s.fleet.rows[luck%nodes], s.fleet.rows[(luck+1)%nodes]
	one.end(syscall.SIGKILL)
	two.end(syscall.SIGKILL)
	if err := s.serving(ctx); err != nil {
		return err
	}
	wait(ctx, 5*time.Second)
	if err := one.start(); err != nil {
		return err
	}
	return two.start()
}
