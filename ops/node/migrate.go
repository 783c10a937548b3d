package node

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/refold/refold/projections/store/cassandra"
	"github.com/refold/refold/streams/cluster"
	"github.com/refold/refold/streams/topic"
)

// Migrate makes what a node needs outside of its data folder, where it is missing, and says in lines what it did: the
// topics, and the tables of rows in Cassandra. It may be run again and again.
func Migrate(ctx context.Context, cfg Config) (done []string, err error) {
	cfg.Partitions = cmp.Or(cfg.Partitions, topic.DefaultPartitions)
	n := &Node{cfg: cfg, cluster: cluster.Cluster{
		Seeds: strings.Split(cfg.Kafka, ","), ClientID: "refold-migrate", TLS: cfg.KafkaTLS, Login: cfg.KafkaLogin,
	}}
	n.addresses.Kafka = cfg.Kafka
	made, _, err := n.makeTopics(ctx)
	for _, name := range made {
		done = append(done, "topic "+name+" was made")
	}
	if err != nil {
		return done, err
	}
	done = append(done, fmt.Sprintf("all topics are as they must be, those of the bank with %d partitions", cfg.Partitions))
	if cfg.Rows == nil {
		return done, nil
	}
	rows := *cfg.Rows
	rows.Logger = cfg.Logger
	version, err := cassandra.Migrate(ctx, rows)
	if err != nil {
		return done, rowsProblem(err)
	}
	return append(done, fmt.Sprintf("keyspace %s is of version %d", rows.Keyspace, version)), nil
}
