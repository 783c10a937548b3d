// Package group is membership in a consumer group: which partitions this process should work on.
//
// A member reads nothing and its group's offsets are never read back: positions are kept with what was
// made of the records. Offsets are committed so that Kafka's own tools show how far a group is.
package group

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/refold/refold/streams/cluster"
)

// rebalanceTimeout is for how long a rebalance waits for members: for one that is gone as well as for one
// whose Revoked takes its time, which then has lost its partitions and joins again.
//
// kfake, which is the embedded broker, begins to wait anew whenever a member joins, and counts a member too
// few that asks to join after the reply to its SyncGroup was lost. Members whose requests to join time out
// by turns, each after 10 s more than this, could so keep each other waiting for ever. Of three members or
// fewer two always join further apart than 5 s.
const rebalanceTimeout = 5 * time.Second

// Config names a group and what it shares out.
type Config struct {
	Group string
	Topic string
	// Instance names this process for ever, so that a restart takes its partitions back at once
	// (KIP-345). Two living processes must not have the same. It may be empty.
	Instance string
	// Address is where other processes reach this one, as Owners tells them. It may be empty.
	Address string
	// Assigned and Revoked are called by one goroutine, one after the other. Revoked must return only
	// when this process has stopped working on the partitions.
	Assigned func(partitions []int32)
	Revoked  func(partitions []int32)
}

// Member is one process's membership.
type Member struct {
	cfg     Config
	cluster cluster.Cluster
	client  *kgo.Client
}

// heartbeat is how often a member asks whether the partitions are to be shared out anew. It bounds how long
// those of a member that left are nobody's.
const heartbeat = 300 * time.Millisecond

// askWithin bounds what a member asks the brokers before it joins, and askEvery is between two tries.
const (
	askWithin = 10 * time.Second
	askEvery  = 200 * time.Millisecond
)

// Join makes this process a member. Where the member has an Address it waits, until ctx ends, for brokers that can
// be asked what the group knows of it. The caller closes it, or lets it leave.
func Join(ctx context.Context, c cluster.Cluster, cfg Config) (*Member, error) {
	m := &Member{cfg: cfg, cluster: c}
	m.cluster.ClientID = clientID(c.ClientID, cfg.Address)
	if err := m.forgetAddress(ctx); err != nil {
		return nil, fmt.Errorf("join group %s: %w", cfg.Group, err)
	}
	revoked := func(_ context.Context, _ *kgo.Client, lost map[string][]int32) { cfg.Revoked(lost[cfg.Topic]) }
	opts := []kgo.Opt{
		kgo.ConsumerGroup(cfg.Group),
		kgo.ConsumeTopics(cfg.Topic),
		kgo.Balancers(kgo.CooperativeStickyBalancer()),
		kgo.SessionTimeout(10 * time.Second),
		kgo.RebalanceTimeout(rebalanceTimeout),
		kgo.HeartbeatInterval(heartbeat),
		kgo.DisableAutoCommit(),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtEnd()),
		kgo.OnPartitionsAssigned(func(_ context.Context, _ *kgo.Client, got map[string][]int32) { cfg.Assigned(got[cfg.Topic]) }),
		kgo.OnPartitionsRevoked(revoked),
		kgo.OnPartitionsLost(revoked),
	}
	if cfg.Instance != "" {
		opts = append(opts, kgo.InstanceID(cfg.Instance))
	}
	client, err := m.cluster.Client(opts...)
	if err != nil {
		return nil, fmt.Errorf("join group %s: %w", cfg.Group, err)
	}
	client.PauseFetchTopics(cfg.Topic)
	m.client = client
	return m, nil
}

// Close ends the membership of this process: every partition is revoked before it returns. A member without
// an Instance leaves the group, and the others get its partitions at once. One with an Instance stays in
// the group (KIP-345): its partitions are nobody's until the same instance joins again, which takes them
// back at once, or until the session has timed out, 10 s after the last heartbeat.
func (m *Member) Close() { m.client.Close() }

// Leave ends the membership like Close, and takes an Instance out of the group too: the others get its
// partitions at once, within a heartbeat. After an error it may still be in the group, until its session has
// timed out.
func (m *Member) Leave(ctx context.Context) error {
	m.client.Close()
	if m.cfg.Instance == "" {
		return nil
	}
	client, err := m.cluster.Client()
	if err != nil {
		return fmt.Errorf("leave group %s: %w", m.cfg.Group, err)
	}
	defer client.Close()
	return m.remove(ctx, kadm.NewClient(client))
}

// remove takes the instance out of the group, if it is in it.
func (m *Member) remove(ctx context.Context, admin *kadm.Client) error {
	left, err := admin.LeaveGroup(ctx, kadm.LeaveGroup(m.cfg.Group).InstanceIDs(m.cfg.Instance))
	if err == nil {
		err = left.Error()
	}
	if err != nil && !errors.Is(err, kerr.UnknownMemberID) {
		return fmt.Errorf("take %s out of group %s: %w", m.cfg.Instance, m.cfg.Group, err)
	}
	return nil
}

// forgetAddress takes the instance out of the group where the group knows it by another address: a broker
// keeps the client id of an instance that joins again without a need to share out anew, and the group would
// name the old address for as long. Brokers that are gone at the moment are waited for.
func (m *Member) forgetAddress(ctx context.Context) error {
	if m.cfg.Instance == "" || m.cfg.Address == "" {
		return nil
	}
	client, err := m.cluster.Client()
	if err != nil {
		return err
	}
	defer client.Close()
	for {
		err := m.forget(ctx, kadm.NewClient(client))
		var answer *kerr.Error
		if err == nil || errors.As(err, &answer) && !answer.Retriable {
			return err
		}
		select {
		case <-time.After(askEvery):
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		}
	}
}

func (m *Member) forget(ctx context.Context, admin *kadm.Client) error {
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	described, err := describe(ctx, admin, m.cfg.Group)
	if err != nil {
		return err
	}
	for _, member := range described.Members {
		if member.InstanceID != nil && *member.InstanceID == m.cfg.Instance && member.ClientID != m.cluster.ClientID {
			return m.remove(ctx, admin)
		}
	}
	return nil
}

// Membership is what a member is to its group at one moment.
type Membership struct {
	Group, Instance string
	// ID is "" where the process is in no generation of the group.
	ID         string
	Generation int32
}

// Membership returns what the member is now.
func (m *Member) Membership() Membership {
	id, generation := m.client.GroupMetadata()
	if generation < 0 {
		id = ""
	}
	return Membership{Group: m.cfg.Group, Instance: m.cfg.Instance, ID: id, Generation: generation}
}

// Commit writes the group's offsets, for tools.
func (m *Member) Commit(ctx context.Context, offsets cluster.Offsets) error {
	toCommit := make(map[int32]kgo.EpochOffset, len(offsets))
	for p, o := range offsets {
		toCommit[p] = kgo.EpochOffset{Epoch: -1, Offset: o}
	}
	var problem error
	m.client.CommitOffsetsSync(ctx, map[string]map[int32]kgo.EpochOffset{m.cfg.Topic: toCommit}, commitResult(&problem))
	if problem != nil {
		return fmt.Errorf("commit offsets of group %s: %w", m.cfg.Group, problem)
	}
	return nil
}

func commitResult(problem *error) func(*kgo.Client, *kmsg.OffsetCommitRequest, *kmsg.OffsetCommitResponse, error) {
	return func(_ *kgo.Client, _ *kmsg.OffsetCommitRequest, resp *kmsg.OffsetCommitResponse, err error) {
		*problem = err
		if err != nil {
			return
		}
		for _, t := range resp.Topics {
			for _, p := range t.Partitions {
				if *problem == nil {
					*problem = kerr.ErrorForCode(p.ErrorCode)
				}
			}
		}
	}
}
