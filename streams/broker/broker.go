// Package broker is Kafka inside this process: one unreplicated node, kept in a folder, that any Kafka client can use.
//
// What a client was told is kept is on disk before it is told so, and is there after a kill and after a loss of power.
// The engine is kfake of franz-go, which by itself does not hold that. So answers are held back until one
// synchronisation has covered all that was written before them, and up to where is written down (barrier.go, ends.go).
// And every [Open] goes the same way, whether the last stop was clean or not: check every byte of the log and refuse
// damage, repair what a crash leaves, fence every transactional producer of the time before, and only then let the
// first client in.
//
// The log is never compacted and nothing is deleted by age or size: kfake rewrites a partition by deleting it first,
// and forgets the end of an empty one. Records go away by DeleteRecords and by deleting a topic, and those are kept.
package broker

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
)

// Config says where the broker keeps its log and where it listens.
type Config struct {
	// Dir is the data folder. It is made where it is missing; one process at a time can have it open.
	Dir string
	// Listen is HOST:PORT. Port 0 takes a free port, which [Broker.Addr] tells. Clients are sent to this host.
	Listen string
	// MinEnds says, by topic and partition, up to which offset the log was already seen. A log that ends below is
	// refused with [ErrBehind].
	MinEnds map[string]map[int32]int64
	// Keep names topics that no client may delete, widen or configure: the log of a bank is not at the mercy of
	// whoever reaches the port.
	Keep []string
	// MinFree is the free space in bytes below which no more records are taken; 0 means 256 MiB.
	MinFree uint64
	// FreeBytes tells the free space at a folder; nil asks the file system.
	FreeBytes func(dir string) (uint64, error)
	// Clock tells the time that no record may be more than an hour ahead of; nil takes one that does not follow when
	// the machine's clock jumps.
	Clock func() time.Time
	// Logger takes what is worth telling an operator; nil discards it.
	Logger *slog.Logger
}

// ErrBehind is wrapped by [Open] where a partition ends before an offset that was seen of it. The missing records are
// nowhere in the folder: bring back the folder they are in, or give up what depends on them.
var ErrBehind = errors.New("the log ends before what was already seen of it")

// ErrInUse is wrapped by [Open] and [Check] where another process has the folder open.
var ErrInUse = errors.New("another process has this folder open")

// Broker is a running broker. Its methods may be called concurrently.
type Broker struct {
	config   Config
	log      *slog.Logger
	listener *listener
	lock     *os.File
	cluster  *kfake.Cluster
	starts   *starts  // touched by Open, then only by control functions, which run one at a time
	writers  *writers // likewise
	barrier  *barrier
	syncer   *syncer
	running  sync.WaitGroup // what synchronises

	stop    sync.Once
	failing sync.Once
	failed  chan struct{}
	failure error // set before failed is closed
}

// Open checks and repairs the folder and starts the broker on it. It returns when clients are served.
//
// Damage is a [DamageError] that names file and place; nothing on disk has been changed then. Only what a crash leaves
// of writes that nobody was told of is cut off. Transactions that were open are aborted on disk, for ever. Every
// transactional producer from before is fenced: neither its records nor its commits are accepted, and its program
// needs a new producer (with franz-go, a new client). Idempotent producers without transactions go on, and are
// recognised when they repeat themselves.
func Open(ctx context.Context, c Config) (*Broker, error) {
	b := newBroker(c)
	if err := b.open(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("open broker: %w", err), b.release())
	}
	return b, nil
}

func newBroker(c Config) *Broker {
	if c.MinFree == 0 {
		c.MinFree = 256 << 20
	}
	if c.FreeBytes == nil {
		c.FreeBytes = freeBytes
	}
	if c.Clock == nil {
		c.Clock = steadyTime()
	}
	log := c.Logger
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Broker{config: c, log: log, barrier: newBarrier(), failed: make(chan struct{})}
}

func (b *Broker) open(ctx context.Context) error {
	if err := b.claim(); err != nil {
		return err
	}
	f, err := checkFolder(ctx, b.config.Dir)
	if err != nil {
		return err
	}
	if err := f.checkEnds(b.config.MinEnds); err != nil {
		return err
	}
	torn, unfinished := f.losses()
	if err := f.repair(); err != nil {
		return fmt.Errorf("repair %s: %w", b.config.Dir, err)
	}
	if b.syncer, err = newSyncer(b.config.Dir, f.ends); err != nil {
		return err
	}
	b.starts = f.starts
	if err := b.start(); err != nil {
		return err
	}
	debug.FreeOSMemory()
	b.log.Info("broker ready", "dir", b.config.Dir, "addr", b.Addr(), "torn_batches_cut", torn, "transactions_aborted", unfinished)
	return nil
}

// claim takes the folder and the port. Clients that connect from now on wait until the log is ready.
func (b *Broker) claim() error {
	if err := os.MkdirAll(b.config.Dir, 0o755); err != nil {
		return err
	}
	var err error
	if b.lock, err = lockFolder(b.config.Dir); err != nil {
		return err
	}
	b.listener, err = listen(b.config.Listen, b.barrier)
	return err
}

func (b *Broker) start() error {
	var err error
	b.cluster, err = kfake.NewCluster(append(syncOptions(),
		kfake.NumBrokers(1),
		kfake.ClusterID(clusterID()),
		kfake.DataDir(b.config.Dir),
		kfake.ListenFn(func(string, string) (net.Listener, error) { return b.listener, nil }),
		kfake.WithLogger(clusterLog{b}),
		kfake.BrokerConfigs(map[string]string{
			"log.retention.ms":       "-1",
			"log.cleaner.backoff.ms": never,
			"log.segment.bytes":      segmentBytes,
		}),
	)...)
	if err != nil {
		return fmt.Errorf("load %s: %w", b.config.Dir, err)
	}
	if err := b.finishDeletes(); err != nil {
		return err
	}
	b.syncer.cluster, b.writers = b.cluster, newWriters(b.cluster)
	b.control()
	b.running.Go(func() {
		if err := b.barrier.run(b.syncer.sync); err != nil {
			b.fail(fmt.Errorf("synchronise the log: %w", err))
		}
	})
	if err := b.err(); err != nil {
		return err
	}
	b.listener.open()
	return nil
}

const (
	// never is how often the log is compacted, in milliseconds: every 285 years.
	never = "9000000000000"
	// segmentBytes bounds the memory that opening takes: kfake reads one whole segment of every partition at a time.
	segmentBytes = "8388608"
)

// clusterID is only used for a new folder; kfake keeps it in meta.json.
func clusterID() string {
	id := make([]byte, 16)
	rand.Read(id)
	return "refold-" + base64.RawURLEncoding.EncodeToString(id)
}

// Addr is the HOST:PORT where the broker listens.
func (b *Broker) Addr() string { return b.listener.Addr().String() }

// Wait blocks until ctx is done, which is nil, or until the broker has stopped itself because something could not be
// written. Then every connection has been closed before an answer that would not have been true, and the process
// should end: the next Open finds the log as it was last told.
func (b *Broker) Wait(ctx context.Context) error {
	select {
	case <-b.failed:
		return b.failure
	case <-ctx.Done():
		return nil
	}
}

// Close stops the broker and leaves the folder ready for the next Open. It reports why the broker had stopped itself.
// Calling it again does nothing.
func (b *Broker) Close() error {
	var err error
	b.stop.Do(func() { err = b.release() })
	return err
}

func (b *Broker) release() error {
	var problems []error
	b.barrier.close(net.ErrClosed)
	b.running.Wait()
	if b.cluster != nil {
		b.cluster.Close()
		problems = append(problems, b.err())
	}
	if b.syncer != nil {
		problems = append(problems, b.syncer.close(), syncTree(b.config.Dir))
	}
	if b.listener != nil {
		_ = b.listener.Close() // kfake may have closed it
	}
	if b.lock != nil {
		problems = append(problems, b.lock.Close())
	}
	return errors.Join(problems...)
}

// fail stops the broker for good: kfake goes on after a failed write, and would answer as if it had succeeded.
// It closes every connection before it returns, so before the answer could be sent.
func (b *Broker) fail(err error) {
	b.failing.Do(func() {
		b.log.Error("the broker stops: what it was told could not be written", "err", err)
		b.failure = err
		b.barrier.close(err)
		_ = b.listener.Close()
		b.listener.drop()
		close(b.failed)
	})
}

func (b *Broker) err() error {
	select {
	case <-b.failed:
		return b.failure
	default:
		return nil
	}
}

// syncTree makes the names of all files of the folder durable.
func syncTree(dir string) error {
	partitions := filepath.Join(dir, partitionsDir)
	problems := []error{syncDir(dir), syncDir(partitions)}
	entries, err := os.ReadDir(partitions)
	problems = append(problems, err)
	for _, e := range entries {
		problems = append(problems, syncDir(filepath.Join(partitions, e.Name())))
	}
	return errors.Join(problems...)
}
