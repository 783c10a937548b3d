// Package journal appends to the partitions of a topic as a database appends to its log: one writer for
// each partition, which decides every command against the state of everything before it.
//
// Kafka has no compare-and-set append, an idempotent producer keeps nobody out, and an error from a commit
// does not tell its outcome. So three things together make one: a transactional id per partition, whose
// initialization fences the writer before; the check, inside each transaction, that its records stand
// exactly where they were decided to stand; and one path for every error, whatever its code, which takes
// the partition again, reads what the log says, and answers from that. See writer.go for the states.
//
// An answer is given only after the commit. Nothing is ever appended again blindly.
package journal

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/refold/refold/streams/cluster"
	"github.com/refold/refold/streams/group"
)

// What a command can be answered with beside its outcome.
var (
	// ErrNotOwner says that this process does not serve the partition: nothing happened. Ask another
	// instance, or this one again in a while.
	ErrNotOwner = errors.New("this process does not own the partition")
	// ErrBusy says that too many commands wait for the partition: nothing happened. Retry later.
	ErrBusy = errors.New("too many commands wait for the partition")
	// ErrUnavailable says that it is not known whether the command was decided. Retry with the same
	// idempotency key: it is then decided, or answered with what was decided.
	ErrUnavailable = errors.New("the outcome is unknown: retry with the same idempotency key")
	// ErrFull is an ErrUnavailable of which the cause is known: the broker takes no records, since its disk
	// is nearly full. It goes on by itself when there is room.
	ErrFull = fmt.Errorf("the disk of the broker is nearly full: %w", ErrUnavailable)
)

// Machine is the state of one partition that commands are decided against. Its methods are called by one
// goroutine at a time.
type Machine[C, O any] interface {
	// Reset drops whatever was decided and not read back, and returns when the state holds every
	// record below end and none at or above it.
	Reset(ctx context.Context, end int64) error
	// KeepNear returns when the state is near enough to the end of the log that a batch can be decided. It is
	// called before every batch, with the offset of its first record, and may wait: while others commit.
	KeepNear(ctx context.Context, next int64) error
	// Decide decides a command against the state and all decisions since Reset. A decision that
	// appends counts from then on, as if its first record stood in the log at offset. It is final only when its batch
	// is committed; otherwise Reset follows.
	Decide(ctx context.Context, command C, offset int64, now time.Time) (Decision[O], error)
	// Find returns the outcome that the log holds for a command, if it holds one. It is called after
	// Reset and before Decide.
	Find(ctx context.Context, command C) (outcome O, found bool, err error)
}

// Decision is what a machine makes of a command.
type Decision[O any] struct {
	// Before are records that are appended before that of the command, each at the next offset, whether
	// the command has one or not.
	Before []Record
	// Key and Value are the record to be appended. The journal keeps both. There is none where Value is
	// nil. A record must be well below the 1 MB that brokers accept: one that they refuse fails its batch.
	Key, Value []byte
	// Time is the record's timestamp.
	Time time.Time
	// Absent says that the outcome tells what the log does not hold. Another owner may have appended it:
	// it is answered only when this one was found to be the owner still, after the command came.
	Absent bool
	// Outcome is the answer.
	Outcome O
}

// Record is a record to be appended. The journal keeps key and value.
type Record struct {
	Key, Value []byte
	Time       time.Time // its timestamp
}

// Config says what a journal writes to and what decides. Cluster, Topic and NewMachine must be set.
type Config[C, O any] struct {
	Cluster cluster.Cluster
	// Topic must exist.
	Topic string
	// NewMachine returns the machine of a partition, before its first Reset. It does no I/O.
	NewMachine func(partition int32) Machine[C, O]
	// Prefix begins every transactional id; the topic and the partition follow. All processes that may
	// own a partition must have the same. "refold-" where it is empty.
	Prefix string
	// Group is the consumer group that proposes owners; "refold-journal" where it is empty.
	Group string
	// Instance names this process for ever within the group, so that a restart takes its partitions
	// back at once. It may be empty.
	Instance string
	// Address is where other processes reach this one, for their Owner. It may be empty.
	Address string
	// MaxBatch bounds the commands of one transaction; 2,000 where it is zero.
	MaxBatch int
	// MaxQueue bounds the commands that wait for one partition; 20,000 where it is zero.
	MaxQueue int
	// CommitEvery is the least time between the beginnings of two transactions, of all partitions together, in the
	// order in which they asked; there is none where it is zero. While a partition waits its commands queue, and its
	// next transaction takes them all: where brokers and writers share processors, the fewer transactions the more
	// commands.
	CommitEvery time.Duration
	// Patience bounds how long a command waits for its answer while its partition answers none, whatever it
	// waits for: its turn, the state, a broker, or the partition to be taken again. It is then answered with
	// ErrUnavailable, and all behind it. No request to a broker is waited for longer. 5 s where it is zero.
	// It must be below 10 s, at which the broker gives up a transaction.
	Patience time.Duration
	// Clock tells the time of a decision; time.Now where it is nil.
	Clock func() time.Time
	// Log takes what happens to ownership; slog.Default() where it is nil.
	Log *slog.Logger
}

func (c Config[C, O]) withDefaults() Config[C, O] {
	c.Prefix = cmp.Or(c.Prefix, "refold-")
	c.Group = cmp.Or(c.Group, "refold-journal")
	c.MaxBatch = cmp.Or(c.MaxBatch, 2_000)
	c.MaxQueue = cmp.Or(c.MaxQueue, 20_000)
	c.Patience = cmp.Or(c.Patience, 5*time.Second)
	if c.Clock == nil {
		c.Clock = time.Now
	}
	c.Log = cmp.Or(c.Log, slog.Default())
	return c
}

// Journal serves the partitions that its consumer group gives to this process. Its methods may be called
// concurrently.
type Journal[C, O any] struct {
	cfg  Config[C, O]
	pace *pace

	mu      sync.RWMutex
	writers map[int32]*running[C, O] // guarded by mu
	owners  *group.Owners            // guarded by mu; opened by the first Owner
}

// running is a writer with the goroutine that runs it.
type running[C, O any] struct {
	*writer[C, O]
	stop context.CancelFunc
	done chan struct{}
}

// New returns a journal that owns nothing before Run. It does no I/O. The caller closes it.
func New[C, O any](cfg Config[C, O]) *Journal[C, O] {
	cfg = cfg.withDefaults()
	return &Journal[C, O]{cfg: cfg, pace: &pace{every: cfg.CommitEvery}, writers: make(map[int32]*running[C, O])}
}

// Close ends what Owner needs, after Run and the last Owner have ended.
func (j *Journal[C, O]) Close() {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.owners != nil {
		j.owners.Close()
	}
}

// Owner returns the address of the process that owns a partition, as the group described it at most maxAge
// ago; "" where it is not known, or is this one. That is a hint: who is asked there and does not own the
// partition says so. It is group.ErrNobody where no process is in the group. It may be called before Run and
// after it.
func (j *Journal[C, O]) Owner(ctx context.Context, partition int32, maxAge time.Duration) (string, error) {
	o, err := j.openOwners()
	if err != nil {
		return "", err
	}
	address, err := o.Of(ctx, partition, maxAge)
	if address == j.cfg.Address {
		return "", err
	}
	return address, err
}

func (j *Journal[C, O]) openOwners() (_ *group.Owners, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.owners == nil {
		j.owners, err = group.OpenOwners(j.cfg.Cluster, j.cfg.Group, j.cfg.Topic)
	}
	return j.owners, err
}

// Run joins the group and serves until ctx ends. Then the batches under way are finished, the commands
// that wait are answered with ErrNotOwner, and the process leaves the group, so that others own the partitions
// at once. One that ends without that keeps them until its session has timed out after 10 s, or until the same
// instance runs again, which takes them back at once. It fails only where the group cannot be joined. It is
// called once.
func (j *Journal[C, O]) Run(ctx context.Context) error {
	member, err := group.Join(ctx, j.cfg.Cluster, group.Config{
		Group:    j.cfg.Group,
		Topic:    j.cfg.Topic,
		Instance: j.cfg.Instance,
		Address:  j.cfg.Address,
		Assigned: func(partitions []int32) { j.start(ctx, partitions) },
		Revoked:  j.stop,
	})
	if ctx.Err() != nil && err != nil {
		return nil // it was told to stop before there were brokers
	}
	if err != nil {
		return fmt.Errorf("run the journal of %s: %w", j.cfg.Topic, err)
	}
	<-ctx.Done()
	// Every writer ends with ctx; leaving the group first revokes what the group knows of, stopAll the rest.
	leaving, cancel := context.WithTimeout(context.WithoutCancel(ctx), j.cfg.Patience)
	defer cancel()
	if err := member.Leave(leaving); err != nil {
		j.cfg.Log.Warn("the partitions are handed over when the session has timed out", "topic", j.cfg.Topic, "error", err)
	}
	j.stopAll()
	return nil
}

func (j *Journal[C, O]) start(ctx context.Context, partitions []int32) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, p := range partitions {
		if j.writers[p] != nil {
			continue
		}
		ctx, cancel := context.WithCancel(ctx)
		r := &running[C, O]{writer: newWriter(&j.cfg, j.pace, p), stop: cancel, done: make(chan struct{})}
		j.writers[p] = r
		go func() {
			defer close(r.done)
			r.run(ctx)
		}()
	}
}

// stop returns when the writers of the partitions have stopped.
func (j *Journal[C, O]) stop(partitions []int32) {
	var stopping []*running[C, O]
	j.mu.Lock()
	for _, p := range partitions {
		if r := j.writers[p]; r != nil {
			stopping = append(stopping, r)
			delete(j.writers, p)
		}
	}
	j.mu.Unlock()
	for _, r := range stopping {
		r.stop()
	}
	for _, r := range stopping {
		<-r.done
	}
}

func (j *Journal[C, O]) stopAll() {
	j.mu.RLock()
	var partitions []int32
	for p := range j.writers {
		partitions = append(partitions, p)
	}
	j.mu.RUnlock()
	j.stop(partitions)
}

// Enqueue queues a command and returns at once. Commands of one partition are decided in the order in
// which they were queued; and where one of them is answered with ErrUnavailable, so are all that were
// queued behind it by then, so that none overtakes it.
//
// Done is called exactly once, by another goroutine, in the order of the queue; it must not block, and may
// call Enqueue. Where Enqueue returns ErrNotOwner or ErrBusy, done is not called.
func (j *Journal[C, O]) Enqueue(partition int32, command C, done func(O, error)) error {
	j.mu.RLock()
	r := j.writers[partition]
	j.mu.RUnlock()
	err := ErrNotOwner
	if r != nil {
		err = r.queue.push(&item[C, O]{command: command, done: done, since: time.Now()})
	}
	if err != nil {
		return fmt.Errorf("append to %s/%d: %w", j.cfg.Topic, partition, err)
	}
	return nil
}

// Submit queues a command and waits for its answer. Where ctx ends first the error is that of ctx and
// ErrUnavailable: the command is decided all the same, or not.
func (j *Journal[C, O]) Submit(ctx context.Context, partition int32, command C) (O, error) {
	type answer struct {
		outcome O
		err     error
	}
	answered := make(chan answer, 1)
	err := j.Enqueue(partition, command, func(o O, err error) { answered <- answer{o, err} })
	if err != nil {
		var none O
		return none, err
	}
	select {
	case a := <-answered:
		return a.outcome, a.err
	case <-ctx.Done():
		var none O
		return none, fmt.Errorf("append to %s/%d: %w: %w", j.cfg.Topic, partition, ErrUnavailable, ctx.Err())
	}
}

// Status returns what every owned partition is doing, in order of partitions.
func (j *Journal[C, O]) Status() []Status {
	j.mu.RLock()
	defer j.mu.RUnlock()
	var out []Status
	for _, r := range j.writers {
		out = append(out, r.status())
	}
	slices.SortFunc(out, func(a, b Status) int { return cmp.Compare(a.Partition, b.Partition) })
	return out
}
