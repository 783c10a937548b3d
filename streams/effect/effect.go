// Package effect appends records for the member of a consumer group that made them of what it read, in
// transactions that a member who lost its partitions cannot commit.
//
// Every transaction carries the group's offsets, with the member and the generation of the group in which the
// work was begun, and they are sent when all records are acknowledged (KIP-447). So either the group has not
// shared out the partitions anew, and the records stand below every end that the next owner can find, or the
// offsets are refused and the records are aborted. The offsets themselves are for tools: nobody reads them.
package effect

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/refold/refold/streams/cluster"
	"github.com/refold/refold/streams/group"
	"github.com/refold/refold/streams/position"
)

// ErrNoMember is wrapped where this process is in no generation of its group. Try again when it is.
var ErrNoMember = errors.New("this process is not a member of the group")

// transactionTimeout is how long the broker leaves a transaction open whose writer is silent.
const transactionTimeout = 10 * time.Second

// Record is a record to be appended.
type Record struct {
	At         position.Partition
	Key, Value []byte
	// Origin says who made the record; it goes in a header.
	Origin string
}

// originHeader is the header that says who made a record.
const originHeader = "refold-origin"

// Message returns a record as it is sent.
func Message(r Record) *kgo.Record {
	rec := &kgo.Record{Topic: r.At.Topic, Partition: r.At.Partition, Key: r.Key, Value: r.Value}
	if r.Origin != "" {
		rec.Headers = []kgo.RecordHeader{{Key: originHeader, Value: []byte(r.Origin)}}
	}
	return rec
}

// OriginOf returns who made a record, "" where it does not say.
func OriginOf(rec *kgo.Record) string {
	for _, h := range rec.Headers {
		if h.Key == originHeader {
			return string(h.Value)
		}
	}
	return ""
}

// Done is the work that records come of: the partitions of a topic, each up to an offset, by a member of a group
// as it was when the work was begun.
type Done struct {
	Member group.Membership
	Topic  string
	Next   cluster.Offsets
}

// Writer appends under one transactional id. It is used by one goroutine at a time, and of no use after its first
// error: whether the records are there is then unknown.
type Writer struct {
	client *kgo.Client
	id     string
	topics map[string][16]byte // ids of source topics
}

// Open takes a transactional id: what a writer before has not committed is aborted and it can commit no more. The
// caller closes the writer.
func Open(ctx context.Context, c cluster.Cluster, id string) (*Writer, error) {
	client, err := c.Client(
		kgo.TransactionalID(id),
		kgo.TransactionTimeout(transactionTimeout),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ManualFlushing(),
		kgo.ProducerLinger(0),
		kgo.MaxBufferedRecords(1<<20),
		kgo.DisableClientMetrics(),
	)
	if err != nil {
		return nil, err
	}
	if _, _, err := client.ProducerID(ctx); err != nil {
		client.Close()
		return nil, fmt.Errorf("take the transactional id %s: %w", id, err)
	}
	return &Writer{client: client, id: id, topics: make(map[string][16]byte)}, nil
}

// Close ends the writer. A nil writer is closed.
func (w *Writer) Close() {
	if w != nil {
		w.client.Close()
	}
}

// Release appends records, of which there must be some, all or none, and returns the offset after the last one of
// each partition. After an error they are there, or not.
func (w *Writer) Release(ctx context.Context, records []Record, done Done) (map[position.Partition]int64, error) {
	if err := w.client.BeginTransaction(); err != nil {
		return nil, fmt.Errorf("begin a transaction of %s: %w", w.id, err)
	}
	ends, err := w.produce(ctx, records)
	if err != nil {
		return nil, fmt.Errorf("produce %d records of %s: %w", len(records), w.id, err)
	}
	if err := w.vouch(ctx, done); err != nil {
		return nil, fmt.Errorf("commit the offsets of %s in a transaction of %s: %w", done.Member.Group, w.id, err)
	}
	written := make(map[string][]int32)
	for at := range ends {
		written[at.Topic] = append(written[at.Topic], at.Partition)
	}
	if err := cluster.CommitAll(ctx, w.client, written); err != nil {
		return nil, fmt.Errorf("commit %d records of %s: %w", len(records), w.id, err)
	}
	return ends, nil
}

func (w *Writer) produce(ctx context.Context, records []Record) (map[position.Partition]int64, error) {
	var mu sync.Mutex
	var problem error // guarded by mu: after a Flush that failed, promises may still be called
	ends := make(map[position.Partition]int64)
	promise := func(r *kgo.Record, err error) {
		mu.Lock()
		defer mu.Unlock()
		problem = cmp.Or(problem, err)
		at := position.Partition{Topic: r.Topic, Partition: r.Partition}
		ends[at] = max(ends[at], r.Offset+1)
	}
	for _, r := range records {
		w.client.Produce(ctx, Message(r), promise)
	}
	if err := w.client.Flush(ctx); err != nil {
		return nil, err
	}
	mu.Lock()
	defer mu.Unlock()
	return ends, problem
}

// vouch makes the group's offsets part of the transaction, which its coordinator takes from a present member only.
//
// The client library does this for a client that reads and writes; here one that only writes acts for a member
// that reads nothing.
func (w *Writer) vouch(ctx context.Context, done Done) error {
	if done.Member.ID == "" {
		return ErrNoMember
	}
	topic, err := w.topic(ctx, done)
	if err != nil {
		return err
	}
	id, epoch, err := w.client.ProducerID(ctx)
	if err != nil {
		return err
	}
	add := kmsg.NewPtrAddOffsetsToTxnRequest()
	add.TransactionalID, add.ProducerID, add.ProducerEpoch, add.Group = w.id, id, epoch, done.Member.Group
	added, err := add.RequestWith(ctx, w.client)
	if err == nil {
		err = kerr.ErrorForCode(added.ErrorCode)
	}
	if err != nil {
		return fmt.Errorf("add offsets: %w", err)
	}
	req := kmsg.NewPtrTxnOffsetCommitRequest()
	req.TransactionalID, req.ProducerID, req.ProducerEpoch, req.Group = w.id, id, epoch, done.Member.Group
	req.MemberID, req.Generation = done.Member.ID, done.Member.Generation
	if done.Member.Instance != "" {
		req.InstanceID = &done.Member.Instance
	}
	req.Topics = append(req.Topics, topic)
	resp, err := req.RequestWith(ctx, w.client)
	if err != nil {
		return err
	}
	for _, t := range resp.Topics {
		for _, p := range t.Partitions {
			err = cmp.Or(err, kerr.ErrorForCode(p.ErrorCode))
		}
	}
	return err
}

// topic returns the offsets as the request has them: by the name of the topic in its older versions, by its id in
// the newer ones.
func (w *Writer) topic(ctx context.Context, done Done) (kmsg.TxnOffsetCommitRequestTopic, error) {
	t := kmsg.NewTxnOffsetCommitRequestTopic()
	id, known := w.topics[done.Topic]
	if !known {
		var err error
		if id, err = cluster.LogID(ctx, w.client, done.Topic); err != nil {
			return t, err
		}
		w.topics[done.Topic] = id
	}
	t.Topic, t.TopicID = done.Topic, id
	for p, next := range done.Next {
		offset := kmsg.NewTxnOffsetCommitRequestTopicPartition()
		offset.Partition, offset.Offset = p, next
		t.Partitions = append(t.Partitions, offset)
	}
	return t, nil
}

// Ends captures the ends of topics and returns them when nothing below them is open any more: transactions that
// were begun before have ended, and what those of a member before hold is either below or will never be.
func (w *Writer) Ends(ctx context.Context, topics ...string) (map[position.Partition]int64, error) {
	return cluster.Settled(ctx, w.client, topics...)
}
