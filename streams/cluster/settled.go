package cluster

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/refold/refold/streams/position"
)

// stableEvery is how often it is looked whether open transactions have ended.
const stableEvery = 5 * time.Millisecond

// Settled captures the ends of topics and returns them when nothing below them is open any more: transactions that
// were begun before have ended, and whatever was acknowledged before is below.
//
// Ends does not tell that: a broker answers a commit before it writes the marker that makes the records seen.
func Settled(ctx context.Context, client *kgo.Client, topics ...string) (position.Vector, error) {
	listed, err := kadm.NewClient(client).ListEndOffsets(ctx, topics...)
	if err == nil {
		err = listed.Error()
	}
	if err != nil {
		return nil, fmt.Errorf("list the ends of %v: %w", topics, err)
	}
	ends := make(position.Vector)
	listed.Each(func(o kadm.ListedOffset) { ends[position.Partition{Topic: o.Topic, Partition: o.Partition}] = o.Offset })
	for {
		open, err := open(ctx, client, ends, topics)
		if err != nil {
			return nil, fmt.Errorf("list the stable ends of %v: %w", topics, err)
		}
		if !open {
			return ends, nil
		}
		select {
		case <-time.After(stableEvery):
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for transactions of %v to end: %w", topics, ctx.Err())
		}
	}
}

// open tells whether a transaction is open below ends.
func open(ctx context.Context, client *kgo.Client, ends position.Vector, topics []string) (bool, error) {
	stable, err := kadm.NewClient(client).ListCommittedOffsets(ctx, topics...)
	if err == nil {
		err = stable.Error()
	}
	if err != nil {
		return false, err
	}
	for at, end := range ends {
		if o, ok := stable.Lookup(at.Topic, at.Partition); !ok || o.Offset < end {
			return true, nil
		}
	}
	return false, nil
}
