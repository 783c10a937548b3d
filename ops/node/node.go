// Package node is one process of Refold: the roles it was given, joined with what they stand on. The same
// wiring serves `refold up`, where every role and the broker itself are in one process, and `refold serve`,
// where they are not.
package node

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"

	"github.com/refold/refold/ops/metrics"
	"github.com/refold/refold/projections/acts"
	"github.com/refold/refold/projections/catalog"
	"github.com/refold/refold/projections/engine"
	"github.com/refold/refold/projections/ledger"
	"github.com/refold/refold/projections/store"
	"github.com/refold/refold/projections/store/cassandra"
	"github.com/refold/refold/projections/store/pebble"
	"github.com/refold/refold/schemas/api/bankv1"
	"github.com/refold/refold/schemas/api/refoldv1"
	"github.com/refold/refold/schemas/codec"
	"github.com/refold/refold/services/control"
	"github.com/refold/refold/services/gateway"
	"github.com/refold/refold/services/transactions"
	"github.com/refold/refold/streams/broker"
	"github.com/refold/refold/streams/cluster"
	"github.com/refold/refold/streams/feed"
	"github.com/refold/refold/streams/journal"
	"github.com/refold/refold/streams/mailbox"
	"github.com/refold/refold/streams/secure"
	"github.com/refold/refold/streams/timeline"
	"github.com/refold/refold/streams/topic"
)

// Role is one thing that a node does.
type Role string

// Roles of a node.
const (
	// Registry serves the schema registry.
	Registry Role = "registry"
	// Transactions takes commands and writes the journal.
	Transactions Role = "transactions"
	// Projections folds read models, answers queries from them and runs replays.
	Projections Role = "projections"
)

// Config says what a node does and where.
type Config struct {
	// Data is the folder that holds everything the node keeps.
	Data string
	// Roles are what the node does; all where there are none.
	Roles []Role
	// Kafka is the addresses of brokers to begin with, HOST:PORT, with commas between them; where it is empty the node
	// runs a broker itself.
	Kafka string
	// KafkaTLS and KafkaLogin are how brokers that run elsewhere are reached.
	KafkaTLS   secure.TLS
	KafkaLogin cluster.Login
	// RegistryURL is where schemas are, of a node without the role Registry; with commas between those of several
	// instances.
	RegistryURL string
	// Listen is where to listen, HOST:PORT each, port 0 for a free one.
	Listen Addresses
	// Advertise is where other nodes reach this one's gRPC, HOST:PORT; where it listens, if it is empty.
	Advertise string
	// Partitions is the number of partitions of the bank's topics. It is fixed when the data folder is made
	// and its topics are there. 0 means what the folder has, in a new one topic.DefaultPartitions; any other
	// number than the folder's is topic.ErrPartitions.
	Partitions int32
	// Patience and MaxQueue bound how long and how many commands wait for the journal; see journal.Config.
	Patience time.Duration
	MaxQueue int
	// Clock tells the time of what is recorded; time.Now where it is nil. Brokers refuse what is more than an
	// hour ahead of their own: while it is, no command is answered.
	Clock func() time.Time
	// Rows is where the rows of read models are kept: in the data folder where it is nil, or in Cassandra. Where the
	// data folder is new the keyspace must be, too: its rows count the positions of one log.
	Rows *cassandra.Config
	// Retain is how long the generation before a promoted one follows on; see engine.Config.
	Retain time.Duration
	Logger *slog.Logger
}

func (c Config) has(r Role) bool { return len(c.Roles) == 0 || slices.Contains(c.Roles, r) }

// Node is a running process of Refold.
type Node struct {
	cfg       Config
	addresses Addresses
	folder    *folder
	parts     *parts
	cluster   cluster.Cluster
	clusterID string // as the brokers say
	stores    *pebble.Stores
	rows      store.Stores // of the read models
	impatient func()       // has rows that are not taken wait no more; nil where they never wait
	codec     *codec.Codec
	validator *gateway.Validator
	gateway   *gateway.Server
	doors     []net.Listener // of the gateway: gRPC, REST; none where it does not serve
	metrics   *prometheus.Registry
	// begin starts what works only while the gateway serves, and so ends before it.
	begin []func()
	// checks say why a part of the node does not serve yet; they are complete before serving begins.
	checks []func(context.Context) error
}

// ledgerRows bounds the rows that each task of the ledger keeps in memory. Most of them are outcomes, which
// are written once and seldom read.
const ledgerRows = 4_000

// blockCache is the memory in bytes that the rows of all generations share for their blocks and for what is
// not written to tables yet. The latter, 16 MB for each generation and more while it is written, comes first:
// with less than this nothing is left for blocks, and every look-up reads filters and indexes from the disk. A
// node without read models has one generation only.
const (
	blockCache       = 160 << 20
	ledgerBlockCache = 40 << 20
)

// Open starts a node and returns when it serves. The caller closes it.
func Open(ctx context.Context, cfg Config) (*Node, error) {
	n := &Node{cfg: cfg, parts: newParts(), metrics: metrics.Registry()}
	if err := n.open(ctx); err != nil {
		return nil, errors.Join(err, n.Close())
	}
	return n, nil
}

func (n *Node) open(ctx context.Context) (err error) {
	if n.folder, err = openFolder(n.cfg.Data); err != nil {
		return err
	}
	n.parts.add("data folder", n.folder.Close)
	if n.cfg.Partitions, err = n.folder.partitions(n.cfg.Partitions); err != nil {
		return err
	}
	cache := int64(blockCache)
	if !n.cfg.has(Projections) {
		cache = ledgerBlockCache
	}
	n.stores = pebble.New(n.folder.sub(rowsFolder), cache, n.cfg.Logger)
	n.parts.add("block cache", func() error { n.stores.Close(); return nil })
	ledgerRows, err := n.openLedger()
	if err != nil {
		return err
	}
	for _, step := range []func(context.Context) error{
		func(ctx context.Context) error { return n.openBroker(ctx, ledgerRows) },
		n.ensureTopics,
		n.openRegistry,
		n.openGateway,
		func(ctx context.Context) error { return n.openTransactions(ctx, ledgerRows) },
		n.openRows,
		n.openProjections,
		n.serveOperators,
		n.serve,
	} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	if err := writeJSON(n.folder.sub(addressesFile), n.addresses); err != nil {
		return err
	}
	n.parts.add("addresses", n.removeAddresses)
	return nil
}

// removeAddresses takes back where the node listens; that somebody else has done it is as well.
func (n *Node) removeAddresses() error {
	if err := os.Remove(n.folder.sub(addressesFile)); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// Addresses returns where the node listens.
func (n *Node) Addresses() Addresses { return n.addresses }

// Wait returns nil when ctx ends, or why the node cannot go on.
func (n *Node) Wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case err := <-n.parts.failed:
		return err
	}
}

// Close stops the node. Everything that was answered is durable when it returns.
func (n *Node) Close() error { return n.parts.stop() }

// openBroker starts the embedded broker, which must hold at least what the ledger has seen of it.
func (n *Node) openBroker(ctx context.Context, seen store.Store) error {
	n.cluster = cluster.Cluster{
		Seeds: strings.Split(n.cfg.Kafka, ","), ClientID: n.folder.Instance, TLS: n.cfg.KafkaTLS, Login: n.cfg.KafkaLogin,
	}
	n.addresses.Kafka = n.cfg.Kafka
	if n.cfg.Kafka != "" {
		return nil
	}
	ends := make(map[int32]int64)
	for p := range n.cfg.Partitions {
		if seen == nil {
			break
		}
		c, err := seen.Checkpoint(p)
		if err != nil {
			return err
		}
		ends[p] = c.Next
	}
	b, err := broker.Open(ctx, broker.Config{
		Dir: n.folder.sub("kafka"), Listen: n.cfg.Listen.Kafka, Logger: n.cfg.Logger,
		MinEnds: map[string]map[int32]int64{topic.Transactions: ends},
		Keep:    []string{topic.Transactions, topic.Notifications, topic.Profiles, topic.Rounds, topic.Acts, topic.Schemas},
	})
	if err != nil {
		return err
	}
	n.parts.start("broker", func(ctx context.Context) error {
		_ = b.Wait(ctx) // Close says the same
		return b.Close()
	})
	n.addresses.Kafka = b.Addr()
	n.cluster.Seeds = []string{b.Addr()}
	return nil
}

func listen(ctx context.Context, address string) (net.Listener, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", address, err)
	}
	return l, nil
}

// openTransactions follows the ledger, runs the journal and serves commands.
func (n *Node) openTransactions(ctx context.Context, rows store.Store) error {
	if !n.cfg.has(Transactions) {
		return nil
	}
	f, err := engine.NewFollower(engine.FollowerConfig{
		Cluster: n.cluster, Codec: n.codec, Definition: ledger.Definition(), Store: rows, MaxRows: ledgerRows, Logger: n.cfg.Logger,
	})
	if err != nil {
		return err
	}
	n.parts.add("ledger connections", func() error { f.Close(); return nil })
	if err := f.Assign(partitionsTo(n.cfg.Partitions)); err != nil {
		return err
	}
	n.parts.start("ledger", f.Run)
	picker, err := timeline.NewPicker(n.cluster)
	if err != nil {
		return err
	}
	n.parts.add("journal connections", func() error { picker.Close(); return nil })
	machines, err := transactions.OpenMachines(ctx, n.codec, topic.Transactions, f, picker)
	if err != nil {
		return err
	}
	j := journal.New(journal.Config[*transactions.Command, transactions.Outcome]{
		Cluster: n.cluster, Topic: topic.Transactions, NewMachine: machines.New, Instance: n.folder.Instance, Log: n.cfg.Logger,
		Patience: n.cfg.Patience, MaxQueue: n.cfg.MaxQueue, CommitEvery: n.commitEvery(),
		Address: n.reachedAt(), Clock: n.cfg.Clock,
	})
	n.parts.add("journal", func() error { j.Close(); return nil })
	n.checks = append(n.checks, func(ctx context.Context) error { return n.journalReady(ctx, j) })
	n.metrics.MustRegister(metrics.Journal(j.Status))
	peers := gateway.NewPeers()
	n.parts.add("connections to other nodes", peers.Close)
	mail, err := mailbox.Open(n.cluster, topic.Transfers, n.cfg.Logger)
	if err != nil {
		return err
	}
	n.parts.add("mailbox", func() error { mail.Close(); return nil })
	service := transactions.NewServer(transactions.Config{
		Journal: j, Ledger: f, Codec: n.codec, Topic: topic.Transactions, Partitions: n.cfg.Partitions,
		Principal: gateway.PrincipalFrom, Validate: n.validator.Validate, Explain: gateway.Explain,
		Mail: mail, Log: n.cfg.Logger,
		Peers: peers, Patience: n.cfg.Patience, Hop: gateway.Hop,
	})
	n.begin = append(n.begin, func() {
		n.parts.start("hold expiry", service.ExpireHolds)
		n.parts.start("transfers", service.RelayTransfers)
		// The first to end: others own the partitions, and get what still comes here, before the gateway ends.
		n.parts.start("journal", j.Run)
	})
	n.gateway.Register(func(r grpc.ServiceRegistrar) { bankv1.RegisterTransactionsServiceServer(r, service) })
	return nil
}

// reachedAt returns where other nodes reach this one.
func (n *Node) reachedAt() string { return cmp.Or(n.cfg.Advertise, n.addresses.GRPC) }

// commitEvery paces the transactions where the embedded broker is in the same process. One costs the two of them about
// 0.4 ms of a processor however many commands it has, and waits for the disk as long as all others that wait; one alone
// takes about as long as the pace.
func (n *Node) commitEvery() time.Duration {
	if n.cfg.Kafka == "" {
		return 1200 * time.Microsecond
	}
	return 0
}

func partitionsTo(n int32) []int32 {
	out := make([]int32, n)
	for i := range out {
		out[i] = int32(i)
	}
	return out
}

// openProjections runs the engine and serves what it answers.
func (n *Node) openProjections(ctx context.Context) error {
	if !n.cfg.has(Projections) {
		return nil
	}
	f, err := feed.Open(n.cluster, topic.Acts)
	if err != nil {
		return err
	}
	n.parts.add("acts feed", func() error { f.Close(); return nil })
	log, err := acts.NewLog(ctx, f, n.codec)
	if err != nil {
		return err
	}
	n.parts.start("acts", log.Run)
	e := engine.New(engine.Config{
		Cluster: n.cluster, Codec: n.codec, Stores: n.rows, Acts: log, Catalog: catalog.All(),
		Instance: n.folder.Instance, Address: n.reachedAt(), Snapshots: n.folder.sub(snapshotsFolder), Retention: n.cfg.Retain, Build: build(), Logger: n.cfg.Logger,
	})
	n.parts.start("projections", e.Run)
	if n.impatient != nil {
		n.parts.add("patience with rows", func() error { n.impatient(); return nil })
	}
	n.checks = append(n.checks, func(ctx context.Context) error { return n.projectionsReady(ctx, e) })
	n.metrics.MustRegister(metrics.Projections(e))
	controls := control.NewServer(control.Config{
		Engine: e, Principal: gateway.PrincipalFrom, Partitions: n.cfg.Partitions, Key: sync.OnceValues(n.folder.key),
	})
	n.gateway.Register(func(r grpc.ServiceRegistrar) { refoldv1.RegisterControlServiceServer(r, controls) })
	return n.openAnswers(ctx, e)
}
