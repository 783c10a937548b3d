package fake

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
)

// realKafka names a Kafka, HOST:PORT, that tests are run on in place of one in memory, one after the other.
const realKafka = "REFOLD_KAFKA"

// clusterID is that of a Kafka that was made for tests: everything in it is deleted before each.
const clusterID = "cmVmb2xkLXRlc3RpbmctMQ"

// empty deletes everything that tests before have left in a real broker.
func empty(ctx context.Context, admin *kadm.Client) error {
	meta, err := admin.Metadata(ctx)
	if err != nil {
		return fmt.Errorf("ask the real broker who it is: %w", err)
	}
	if meta.Cluster != clusterID {
		return fmt.Errorf("the Kafka that %s names is no Kafka for tests, which would delete all there is: it is cluster %q", realKafka, meta.Cluster)
	}
	meta.Topics.FilterInternal()
	if err := deleteTopics(ctx, admin, meta.Topics.Names()...); err != nil {
		return err
	}
	return deleteGroups(ctx, admin)
}

func deleteTopics(ctx context.Context, admin *kadm.Client, names ...string) error {
	if len(names) == 0 {
		return nil
	}
	deleted, err := admin.DeleteTopics(ctx, names...)
	if err == nil {
		err = deleted.Error()
	}
	if err != nil {
		return fmt.Errorf("delete topics %v: %w", names, err)
	}
	return known(ctx, admin, false, names...)
}

// known waits until the broker knows topics, or no more: the controller has made or deleted them.
func known(ctx context.Context, admin *kadm.Client, there bool, names ...string) error {
	for {
		topics, err := admin.ListTopics(ctx)
		if err != nil {
			return fmt.Errorf("list topics: %w", err)
		}
		if !slices.ContainsFunc(names, func(name string) bool { return topics.Has(name) != there }) {
			return nil
		}
	}
}

// deleteGroups deletes every group. A member that has gone without a word is waited for: its session times out.
func deleteGroups(ctx context.Context, admin *kadm.Client) error {
	for {
		err := tryDeleteGroups(ctx, admin)
		if !errors.Is(err, kerr.NonEmptyGroup) {
			return err
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("wait for members of groups to be gone: %w", err)
		}
	}
}

func tryDeleteGroups(ctx context.Context, admin *kadm.Client) error {
	listed, err := admin.ListGroups(ctx)
	if err != nil || len(listed) == 0 {
		return err
	}
	described, err := admin.DescribeGroups(ctx, listed.Groups()...)
	if err != nil {
		return fmt.Errorf("describe groups: %w", err)
	}
	for name, group := range described {
		var names []string
		for _, m := range group.Members {
			if m.InstanceID != nil {
				names = append(names, *m.InstanceID)
			}
		}
		if len(names) == 0 {
			continue
		}
		if _, err := admin.LeaveGroup(ctx, kadm.LeaveGroup(name).InstanceIDs(names...)); err != nil {
			return fmt.Errorf("take members out of group %s: %w", name, err)
		}
	}
	deleted, err := admin.DeleteGroups(ctx, listed.Groups()...)
	if err == nil {
		err = deleted.Error()
	}
	if err != nil {
		return fmt.Errorf("delete groups: %w", err)
	}
	return nil
}

// Trim deletes the records of a partition below an offset.
func (b *Broker) Trim(name string, partition int32, below int64) {
	b.t.Helper()
	b.admin(func(ctx context.Context, admin *kadm.Client) error {
		to := make(kadm.Offsets)
		to.AddOffset(name, partition, below, -1)
		deleted, err := admin.DeleteRecords(ctx, to)
		if err == nil {
			err = deleted.Error()
		}
		return err
	})
}

// Create makes a topic.
func (b *Broker) Create(name string, partitions int32, config map[string]string) {
	b.t.Helper()
	b.admin(func(ctx context.Context, admin *kadm.Client) error {
		return create(ctx, admin, name, partitions, config)
	})
}

// Configure sets one entry of a topic's configuration.
func (b *Broker) Configure(name, key, value string) {
	b.t.Helper()
	b.admin(func(ctx context.Context, admin *kadm.Client) error {
		_, err := admin.AlterTopicConfigs(ctx, []kadm.AlterConfig{{Op: kadm.SetConfig, Name: key, Value: &value}}, name)
		return err
	})
}

// MakeAgain deletes a topic and makes another one of its name.
func (b *Broker) MakeAgain(name string, partitions int32) {
	b.t.Helper()
	b.admin(func(ctx context.Context, admin *kadm.Client) error {
		if err := deleteTopics(ctx, admin, name); err != nil {
			return err
		}
		return create(ctx, admin, name, partitions, nil)
	})
}

func create(ctx context.Context, admin *kadm.Client, name string, partitions int32, config map[string]string) error {
	values := make(map[string]*string, len(config))
	for k, v := range config {
		values[k] = kadm.StringPtr(v)
	}
	if _, err := admin.CreateTopic(ctx, partitions, -1, values, name); err != nil {
		return fmt.Errorf("create topic %s: %w", name, err)
	}
	return known(ctx, admin, true, name)
}

func (b *Broker) admin(do func(context.Context, *kadm.Client) error) {
	b.t.Helper()
	client, err := b.Client()
	if err != nil {
		b.t.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(b.t.Context(), time.Minute)
	defer cancel()
	if err := do(ctx, kadm.NewClient(client)); err != nil {
		b.t.Fatal(err)
	}
}
