package group

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/refold/refold/streams/cluster"
)

// ErrNobody says that a group has no members.
var ErrNobody = errors.New("nobody is in the group")

// stable is the state of a group that is not being shared out anew.
const stable = "Stable"

// Owners tells who works on the partitions of a group's topic, by the group's own description. It is a hint:
// by the time that it is read it may be over. Its methods may be called concurrently.
type Owners struct {
	client       *kgo.Client
	group, topic string

	// asking holds a token while the group is asked for: others wait for that answer, or for their context.
	asking chan struct{}

	mu    sync.Mutex
	known map[int32]string // guarded by mu; by partition, the addresses of members that have one
	asked time.Time        // guarded by mu; when the group last answered
}

// OpenOwners returns the owners of a topic's partitions by a group. The caller closes it.
func OpenOwners(c cluster.Cluster, group, topic string) (*Owners, error) {
	client, err := c.Client()
	if err != nil {
		return nil, fmt.Errorf("ask for the owners of %s: %w", topic, err)
	}
	return &Owners{client: client, group: group, topic: topic, asking: make(chan struct{}, 1)}, nil
}

// Close ends the connections.
func (o *Owners) Close() { o.client.Close() }

// Of returns the address of the member that works on a partition, as it was described at most maxAge ago; ""
// where that is not known. It is ErrNobody where the group has no members.
//
// While the group is shared out anew it says nothing of who works on what. Most members keep what they have,
// so what was described before still stands.
func (o *Owners) Of(ctx context.Context, partition int32, maxAge time.Duration) (string, error) {
	if address, fresh := o.recent(partition, maxAge); fresh {
		return address, nil
	}
	select {
	case o.asking <- struct{}{}:
		defer func() { <-o.asking }()
	case <-ctx.Done():
		return "", fmt.Errorf("describe group %s: %w", o.group, ctx.Err())
	}
	if address, fresh := o.recent(partition, maxAge); fresh { // somebody else has asked meanwhile
		return address, nil
	}
	described, err := describe(ctx, kadm.NewClient(o.client), o.group)
	if err != nil {
		return "", err
	}
	if len(described.Members) == 0 {
		return "", fmt.Errorf("group %s: %w", o.group, ErrNobody)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.asked = time.Now(); described.State == stable {
		o.known = o.addresses(described)
	}
	return o.known[partition], nil
}

// recent returns what the group answered at most maxAge ago, if it did.
func (o *Owners) recent(partition int32, maxAge time.Duration) (string, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.known[partition], time.Since(o.asked) <= maxAge
}

func (o *Owners) addresses(described kadm.DescribedGroup) map[int32]string {
	out := make(map[int32]string)
	for _, m := range described.Members {
		assigned, ok := m.Assigned.AsConsumer()
		if !ok {
			continue
		}
		for _, t := range assigned.Topics {
			if t.Topic != o.topic {
				continue
			}
			for _, p := range t.Partitions {
				out[p] = address(m.ClientID)
			}
		}
	}
	return out
}

// describe describes a group; one that does not exist has no members.
func describe(ctx context.Context, admin *kadm.Client, group string) (kadm.DescribedGroup, error) {
	described, err := admin.DescribeGroups(ctx, group)
	if err == nil {
		err = described.Error()
	}
	if err != nil && !errors.Is(err, kerr.GroupIDNotFound) {
		return kadm.DescribedGroup{}, fmt.Errorf("describe group %s: %w", group, err)
	}
	return described[group], nil
}

// clientID returns the client id of a member, which carries its address.
func clientID(name, address string) string {
	if address == "" {
		return name
	}
	return name + "@" + address
}

// address returns the address that a client id carries.
func address(clientID string) string {
	at := strings.LastIndexByte(clientID, '@')
	if at < 0 {
		return ""
	}
	return clientID[at+1:]
}
