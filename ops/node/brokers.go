package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/refold/refold/streams/cluster"
	"github.com/refold/refold/streams/secure"
	"github.com/refold/refold/streams/topic"
)

// ensureTopics makes the topics that are missing, and refuses brokers and topics on which what is promised would not hold.
func (n *Node) ensureTopics(ctx context.Context) error {
	_, logs, err := n.makeTopics(ctx)
	if err != nil {
		return err
	}
	return n.folder.fix(n.cfg.Partitions, logs)
}

// makeTopics returns the names of the topics that it made, and the ids of those that positions count.
func (n *Node) makeTopics(ctx context.Context) (made []string, logs map[string][16]byte, err error) {
	client, err := n.cluster.Client()
	if err != nil {
		return nil, nil, err
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	if err := client.Ping(ctx); err != nil {
		return nil, nil, n.noBroker(err)
	}
	if n.cfg.Kafka != "" {
		version, err := cluster.Feature(ctx, client, "transaction.version")
		if err != nil {
			return nil, nil, err
		}
		if version < transactionVersion {
			return nil, nil, fmt.Errorf("kafka.brokers: those at %s have transaction.version %d, and it must be %d: raise it with kafka-features.sh upgrade",
				n.addresses.Kafka, version, transactionVersion)
		}
	}
	if made, err = topic.Ensure(ctx, client, topic.All(n.cfg.Partitions)); err != nil {
		return made, nil, err
	}
	if n.clusterID, err = cluster.ID(ctx, client); err != nil {
		return made, nil, err
	}
	logs, err = cluster.LogIDs(ctx, client, topic.Transactions, topic.Acts)
	return made, logs, err
}

// noBroker says what the first connection to the brokers failed of, and which setting it comes of.
func (n *Node) noBroker(err error) error {
	switch said := secure.Explain(err); {
	case said != "":
		return fmt.Errorf("kafka.tls: %s: %s", n.addresses.Kafka, said)
	case cluster.Refused(err):
		return fmt.Errorf("kafka.sasl: the brokers at %s do not take the login of %q: %w", n.addresses.Kafka, n.cfg.KafkaLogin.User, err)
	case errors.Is(err, io.EOF) && n.cfg.KafkaLogin.Mechanism != "":
		return fmt.Errorf("kafka.sasl: the brokers at %s end the connection, as some do that do not take the login of %q", n.addresses.Kafka, n.cfg.KafkaLogin.User)
	}
	return fmt.Errorf("no broker answers at %s: %w", n.addresses.Kafka, why(err))
}

// why returns what a connection failed of, where it is one that failed: the address has been said.
func why(err error) error {
	var failed *net.OpError
	if errors.As(err, &failed) {
		return failed.Err
	}
	return err
}

// transactionVersion is the least version of transactions that brokers must have: with it every transaction has an epoch
// of its own, and what comes late of one before is refused (KIP-890).
const transactionVersion = 2
