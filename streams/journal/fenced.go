package journal

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/refold/refold/streams/cluster"
	"github.com/refold/refold/streams/position"
)

var (
	// errHanging says that a transaction of somebody else is open in the partition. What it will turn
	// out to hold is not known, so nothing can be decided behind it (KIP-664 has the tools to end it).
	errHanging = errors.New("a transaction that is not ours hangs open")
	// errForeign says that the log holds records that this writer did not know of.
	errForeign = errors.New("another writer appended to the partition")
)

// transactionTimeout is how long the broker leaves a transaction open whose writer is silent.
const transactionTimeout = 10 * time.Second

// fenced is the right to append to a partition, until somebody else fences. It is used by one goroutine,
// and of no use after its first error.
type fenced struct {
	client *kgo.Client
	at     position.Partition
	next   int64 // the offset that the next record must get
}

// fence takes the partition: after it, no transaction of a writer before can commit, and next is the end.
func fence(ctx context.Context, c cluster.Cluster, prefix string, at position.Partition) (*fenced, error) {
	id := fmt.Sprintf("%s%s-%d", prefix, at.Topic, at.Partition)
	client, err := c.Client(
		kgo.TransactionalID(id),
		kgo.TransactionTimeout(transactionTimeout),
		// The library retries an ending transaction every 20 ms; a marker takes one or two.
		kgo.ConcurrentTransactionsBackoff(time.Millisecond),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		// A batch goes out in one request, when it is complete.
		kgo.ManualFlushing(),
		kgo.ProducerLinger(0),
		kgo.MaxBufferedRecords(1<<20),
		kgo.ProducerBatchCompression(kgo.Lz4Compression(), kgo.NoCompression()),
		// Closing must not wait for a broker that is gone.
		kgo.DisableClientMetrics(),
	)
	if err != nil {
		return nil, err
	}
	f := &fenced{client: client, at: at}
	if _, _, err = client.ProducerID(ctx); err == nil {
		f.next, err = stableEnd(ctx, client, at)
	}
	if err != nil {
		f.close()
		return nil, fmt.Errorf("take %s as %s: %w", at, id, err)
	}
	return f, nil
}

// stableEnd returns the end of a partition in which no transaction is open.
func stableEnd(ctx context.Context, client *kgo.Client, at position.Partition) (int64, error) {
	admin := kadm.NewClient(client)
	// The order matters: an end listed first can only be at or below the other.
	stable, err := admin.ListCommittedOffsets(ctx, at.Topic)
	if err != nil {
		return 0, fmt.Errorf("list the stable end: %w", err)
	}
	high, err := admin.ListEndOffsets(ctx, at.Topic)
	if err != nil {
		return 0, fmt.Errorf("list the end: %w", err)
	}
	s, ok := stable.Lookup(at.Topic, at.Partition)
	h, found := high.Lookup(at.Topic, at.Partition)
	switch {
	case !ok || !found:
		return 0, errors.New("the partition does not exist")
	case s.Err != nil || h.Err != nil:
		return 0, fmt.Errorf("list the end: %w", errors.Join(s.Err, h.Err))
	case s.Offset < h.Offset:
		return 0, fmt.Errorf("%w from offset %d, the log ends at %d%s", errHanging, s.Offset, h.Offset, producers(ctx, admin, at))
	}
	return h.Offset, nil
}

// markerEvery is how often it is looked whether the marker of a commit is written: a broker may answer before.
const markerEvery = 2 * time.Millisecond

// unchanged fails where somebody else has appended to the partition, or may have.
func (f *fenced) unchanged(ctx context.Context) error {
	for {
		end, err := f.end(ctx)
		switch {
		case err != nil:
			return fmt.Errorf("list the end of %s: %w", f.at, err)
		case end > f.next:
			return fmt.Errorf("%w: %s ends at %d, not at %d", errForeign, f.at, end, f.next)
		case end == f.next:
			return nil
		}
		select {
		case <-time.After(markerEvery):
		case <-ctx.Done():
			return fmt.Errorf("%s ends at %d, and not yet at %d: %w", f.at, end, f.next, ctx.Err())
		}
	}
}

// end returns the end of the partition, open transactions included.
func (f *fenced) end(ctx context.Context) (int64, error) {
	listed, err := kadm.NewClient(f.client).ListEndOffsets(ctx, f.at.Topic)
	if err != nil {
		return 0, err
	}
	end, ok := listed.Lookup(f.at.Topic, f.at.Partition)
	if !ok {
		return 0, errors.New("the partition does not exist")
	}
	return end.Offset, end.Err
}

// producers names the open transactions of a partition, as the end of a sentence.
func producers(ctx context.Context, admin *kadm.Client, at position.Partition) string {
	set := make(kadm.TopicsSet)
	set.Add(at.Topic, at.Partition)
	described, err := admin.DescribeProducers(ctx, set)
	if err != nil {
		return ""
	}
	text := ""
	for _, p := range described.SortedProducers() {
		if p.CurrentTxnStartOffset >= 0 {
			text += fmt.Sprintf(", producer id %d of epoch %d is in a transaction from offset %d",
				p.ProducerID, p.ProducerEpoch, p.CurrentTxnStartOffset)
		}
	}
	return text
}

// append appends the records, all or none, directly behind what the writer knows of the log. After an
// error they are there, or not; the context bounds how long that takes.
func (f *fenced) append(ctx context.Context, records []*kgo.Record) error {
	if err := f.client.BeginTransaction(); err != nil {
		return fmt.Errorf("begin a transaction in %s: %w", f.at, err)
	}
	if err := f.produce(ctx, records); err != nil {
		return fmt.Errorf("produce %d records to %s at %d: %w", len(records), f.at, f.next, err)
	}
	if err := cluster.Commit(ctx, f.client, f.at.Topic, f.at.Partition); err != nil {
		return fmt.Errorf("commit %d records to %s at %d: %w", len(records), f.at, f.next, err)
	}
	f.next += int64(len(records)) + 1
	return nil
}

func (f *fenced) produce(ctx context.Context, records []*kgo.Record) error {
	var mu sync.Mutex
	var problem error // guarded by mu: after a Flush that failed, promises may still be called
	promise := func(_ *kgo.Record, err error) {
		mu.Lock()
		defer mu.Unlock()
		if problem == nil {
			problem = err
		}
	}
	for _, r := range records {
		f.client.Produce(ctx, r, promise)
	}
	if err := f.client.Flush(ctx); err != nil {
		return err
	}
	mu.Lock()
	defer mu.Unlock()
	if problem != nil {
		return problem
	}
	for i, r := range records {
		if want := f.next + int64(i); r.Offset != want {
			return fmt.Errorf("%w: record %d stands at %d, not at %d", errForeign, i, r.Offset, want)
		}
	}
	return nil
}

// close ends the client. Nothing of its transaction can be committed by it afterwards. A nil f is closed.
func (f *fenced) close() {
	if f != nil {
		f.client.Close()
	}
}
