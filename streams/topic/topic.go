// Package topic names the topics of the bank and of the platform, and creates them.
//
// All topics of the bank are keyed by customer id and have the same number of partitions, so that
// everything about a customer meets in one partition number. That number never changes.
package topic

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Names of topics.
const (
	// Transactions is the journal of the bank.
	Transactions = "bank.transactions"
	// Transfers holds the messages between partitions of the journal about transfers.
	Transfers = "bank.transfers"
	// Notifications holds what customers are to be told, which are effects of projections, and what they have read
	// of it. How far projections have emitted is read from it, so that it keeps everything.
	Notifications = "bank.notifications"
	// Profiles holds what customers want, and nothing personal.
	Profiles = "bank.profiles"
	// Acts holds what operators and the platform decided: one partition, kept for ever.
	Acts = "refold.acts"
	// Rounds holds in which order the events of several topics were folded, by the partition of the topics. It is
	// compacted: a record says all that those before it with its key do.
	Rounds = "refold.rounds"
	// Schemas holds the schema registry: one partition, kept for ever.
	Schemas = "_schemas"
)

// DefaultPartitions is the number of partitions of the bank's topics where nothing else is said.
const DefaultPartitions = 12

// ErrPartitions is wrapped where a topic has another number of partitions than it must have.
var ErrPartitions = errors.New("wrong number of partitions")

// Topic is a topic as it should be.
type Topic struct {
	Name       string
	Partitions int32
	// Config is the topic's configuration, in Kafka's words.
	Config map[string]string
}

// All returns every topic that Refold needs, the bank's with the given number of partitions.
func All(partitions int32) []Topic {
	return []Topic{
		{Name: Schemas, Partitions: 1, Config: forEver()},
		{Name: Acts, Partitions: 1, Config: forEver()},
		{Name: Transactions, Partitions: partitions, Config: forEver()},
		{Name: Transfers, Partitions: partitions, Config: forEver()},
		{Name: Notifications, Partitions: partitions, Config: forEver()},
		{Name: Profiles, Partitions: partitions, Config: forEver()},
		{Name: Rounds, Partitions: partitions, Config: map[string]string{"cleanup.policy": "compact"}},
	}
}

func forEver() map[string]string {
	return map[string]string{"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1"}
}

// Of returns the partition of a key among n, as Kafka's default partitioner does.
func Of(key string, n int32) int32 { return int32(murmur2(key)&0x7fffffff) % n }

// murmur2 is the hash of Kafka's default partitioner (org.apache.kafka.common.utils.Utils.murmur2).
// franz-go has it, but only inside of partitioners that take 10 µs to make.
func murmur2(key string) uint32 {
	const m = 0x5bd1e995
	h := 0x9747b28c ^ uint32(len(key))
	for len(key) >= 4 {
		k := uint32(key[0]) | uint32(key[1])<<8 | uint32(key[2])<<16 | uint32(key[3])<<24
		k *= m
		k ^= k >> 24
		h = h*m ^ k*m
		key = key[4:]
	}
	for i := len(key) - 1; i >= 0; i-- {
		h ^= uint32(key[i]) << (8 * i)
	}
	if len(key) > 0 {
		h *= m
	}
	h ^= h >> 13
	h *= m
	return h ^ h>>15
}

// Ensure creates the topics that are missing, and returns which those were, and checks all: a different number of partitions is
// ErrPartitions, a retention that would delete facts is refused as well. Every problem is reported.
func Ensure(ctx context.Context, client *kgo.Client, topics []Topic) (made []string, err error) {
	admin := kadm.NewClient(client)
	missing, err := missing(ctx, admin, topics)
	if err != nil {
		return nil, err
	}
	var problems []error
	for _, t := range missing {
		config := make(map[string]*string, len(t.Config))
		for k, v := range t.Config {
			config[k] = kadm.StringPtr(v)
		}
		resp, err := admin.CreateTopic(ctx, t.Partitions, -1, config, t.Name)
		switch {
		case err == nil:
			made = append(made, t.Name)
		case errors.Is(err, kerr.TopicAlreadyExists): // somebody else was faster
		case resp.ErrMessage != "":
			problems = append(problems, fmt.Errorf("create topic %s: %s: %w", t.Name, resp.ErrMessage, err))
		default:
			problems = append(problems, fmt.Errorf("create topic %s: %w", t.Name, err))
		}
	}
	if len(problems) > 0 {
		return made, errors.Join(problems...)
	}
	if err := wantReplicas(ctx, admin, missing); err != nil {
		return made, err
	}
	return made, check(ctx, admin, topics)
}

// wantReplicas has topics that were made just now, and of which there are three copies or more, acknowledge what is in
// two: a broker's default is one. How many copies there are is the broker's to say.
func wantReplicas(ctx context.Context, admin *kadm.Client, made []Topic) error {
	var names []string
	for _, t := range made {
		if _, said := t.Config[minReplicas]; !said {
			names = append(names, t.Name)
		}
	}
	if len(names) == 0 {
		return nil
	}
	details, err := list(ctx, admin, names)
	if err != nil {
		return fmt.Errorf("list topics %s: %w", strings.Join(names, ", "), err)
	}
	two := []kadm.AlterConfig{{Op: kadm.SetConfig, Name: minReplicas, Value: kadm.StringPtr("2")}}
	for _, name := range names {
		if details[name].Partitions.NumReplicas() < 3 {
			continue
		}
		answers, err := admin.AlterTopicConfigs(ctx, two, name)
		if err == nil {
			_, err = answers.On(name, func(r *kadm.AlterConfigsResponse) error { return r.Err })
		}
		if err != nil {
			return fmt.Errorf("topic %s: set %s to 2: %w", name, minReplicas, err)
		}
	}
	return nil
}

// missing returns the topics that are not there. They alone are made: who may not make topics can work on those that
// somebody else has made.
func missing(ctx context.Context, admin *kadm.Client, topics []Topic) (out []Topic, err error) {
	there, err := admin.ListTopics(ctx)
	if err != nil {
		return nil, fmt.Errorf("list topics: %w", err)
	}
	for _, t := range topics {
		if !there.Has(t.Name) {
			out = append(out, t)
		}
	}
	return out, nil
}

func check(ctx context.Context, admin *kadm.Client, topics []Topic) error {
	var names []string
	for _, t := range topics {
		names = append(names, t.Name)
	}
	details, err := list(ctx, admin, names)
	if err != nil {
		return fmt.Errorf("list topics %s: %w", strings.Join(names, ", "), err)
	}
	configs, err := admin.DescribeTopicConfigs(ctx, names...)
	if err != nil {
		return fmt.Errorf("describe topics %s: %w", strings.Join(names, ", "), err)
	}
	var problems []error
	for _, t := range topics {
		if got := int32(len(details[t.Name].Partitions)); got != t.Partitions {
			problems = append(problems, fmt.Errorf("topic %s: %w: it has %d, not %d", t.Name, ErrPartitions, got, t.Partitions))
		}
		rc, err := configs.On(t.Name, nil)
		if err == nil {
			err = rc.Err
		}
		if err != nil {
			problems = append(problems, fmt.Errorf("describe topic %s: %w", t.Name, err))
			continue
		}
		problems = append(problems, checkConfig(t, rc)...)
		problems = append(problems, checkReplicas(t, details[t.Name], rc)...)
	}
	return errors.Join(problems...)
}

const minReplicas = "min.insync.replicas"

// checkReplicas refuses what would lose facts that were acknowledged: a leader that does not have them, and one replica
// that is enough where there are three.
func checkReplicas(t Topic, details kadm.TopicDetail, rc kadm.ResourceConfig) (problems []error) {
	for _, c := range rc.Configs {
		switch {
		case c.Key == "unclean.leader.election.enable" && c.MaybeValue() == "true":
			problems = append(problems, fmt.Errorf("topic %s: %s is true and must be false", t.Name, c.Key))
		case c.Key == minReplicas && c.MaybeValue() == "1" && details.Partitions.NumReplicas() > 2:
			problems = append(problems, fmt.Errorf("topic %s: %s is 1 and must be 2 or more, for there are %d replicas", t.Name, c.Key, details.Partitions.NumReplicas()))
		}
	}
	return problems
}

// knownEvery is how often a broker is asked for topics that it does not know yet.
const knownEvery = 10 * time.Millisecond

// list returns topics as a broker knows them. One that is made is known to the controller, and to the brokers only
// a little later, each at its own time.
func list(ctx context.Context, admin *kadm.Client, names []string) (kadm.TopicDetails, error) {
	for {
		details, err := admin.ListTopics(ctx, names...)
		if err == nil {
			err = details.Error()
		}
		if !errors.Is(err, kerr.UnknownTopicOrPartition) && !errors.Is(err, kerr.LeaderNotAvailable) {
			return details, err
		}
		select {
		case <-time.After(knownEvery):
		case <-ctx.Done():
			return nil, err
		}
	}
}

func checkConfig(t Topic, rc kadm.ResourceConfig) []error {
	got := make(map[string]string)
	for _, c := range rc.Configs {
		got[c.Key] = c.MaybeValue()
	}
	var problems []error
	for _, k := range slices.Sorted(maps.Keys(t.Config)) {
		if got[k] != t.Config[k] {
			problems = append(problems, fmt.Errorf("topic %s: %s is %q and must be %q", t.Name, k, got[k], t.Config[k]))
		}
	}
	return problems
}
