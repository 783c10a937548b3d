package cluster

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// errForgotten says that a partition left the metadata while its transaction was committed: the outcome is
// unknown.
var errForgotten = errors.New("the partition is not in the metadata any more")

// Commit is CommitAll for partitions of one topic.
func Commit(ctx context.Context, client *kgo.Client, topic string, partitions ...int32) error {
	return CommitAll(ctx, client, map[string][]int32{topic: partitions})
}

// CommitAll ends a client's transaction, in which it wrote to partitions of topics and was flushed, and makes sure
// that it was committed. After an error the outcome is unknown.
//
// EndTransaction of franz-go 1.22.2 aborts, and returns nil, where it finds no partition of its own that was
// written to. It looks for them in the metadata of the topics that it produces to; and at the very first
// record it stores that metadata only after it has sent the record, so that a quick broker's answer can be
// here before it: the record is acknowledged, the commit is an abort, and nobody is told. It is the same
// with a topic that is dropped from the metadata because it seems to be deleted. PartitionLeader reads the
// same metadata: where it knows the partition before and after, it was known in between.
func CommitAll(ctx context.Context, client *kgo.Client, written map[string][]int32) error {
	for !known(client, written) {
		select {
		case <-time.After(100 * time.Microsecond):
		case <-ctx.Done():
			return fmt.Errorf("wait for the metadata of %v: %w", written, ctx.Err())
		}
	}
	if err := client.EndTransaction(ctx, kgo.TryCommit); err != nil {
		return err
	}
	if !known(client, written) {
		return fmt.Errorf("%v: %w", written, errForgotten)
	}
	return nil
}

func known(client *kgo.Client, written map[string][]int32) bool {
	for topic, partitions := range written {
		for _, p := range partitions {
			if leader, _, err := client.PartitionLeader(topic, p); leader < 0 || err != nil {
				return false
			}
		}
	}
	return true
}
