package broker

import (
	"sync"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// barrier holds answers back until what they tell is on disk: one synchronisation for all that wait.
//
// kfake writes its files without synchronising them, and handles one request after the other. So what an answer tells
// has been written when the answer is about to be sent, and a synchronisation that begins after that covers it. Which
// answers wait for one is told by their kind (see [promiseOf]).
type barrier struct {
	mu     sync.Mutex
	wake   *sync.Cond // the synchronising goroutine
	freed  *sync.Cond // those who wait for it
	wanted uint64     // the synchronisation that somebody waits for
	begun  uint64
	done   uint64
	err    error // why nothing is answered any more

	latest  work              // of the request that kfake has, or had last
	dirty   bool              // a request that writes has been handled since a synchronisation began
	touched map[topicKey]bool // to whose partitions was written since then
}

// topicKey names a topic for good: one that is made again has another id.
type topicKey struct {
	name string
	id   [16]byte
}

// work is what a request may do.
type work struct {
	writes bool
	topics []topicKey // whose partitions it writes to
}

func newBarrier() *barrier {
	b := &barrier{touched: map[topicKey]bool{}}
	b.wake, b.freed = sync.NewCond(&b.mu), sync.NewCond(&b.mu)
	return b
}

// promise is what an answer says about the log.
type promise int

const (
	toldNothing promise = iota // nothing that was written, or nothing that counts before a later answer
	toldRead                   // what earlier requests have written
	toldWrite                  // that the request itself has been written
)

// promiseOf tells what the answer to a request promises. Records of a transaction and its members are promised by the
// answer to EndTxn: until then nobody is shown them, and a broker that starts anew aborts them.
func promiseOf(key kmsg.Key, inTransaction bool) promise {
	switch key {
	case kmsg.ApiVersions, kmsg.FindCoordinator, kmsg.Heartbeat, kmsg.AddPartitionsToTxn, kmsg.AddOffsetsToTxn, kmsg.TxnOffsetCommit:
		return toldNothing
	case kmsg.Produce:
		if inTransaction {
			return toldNothing
		}
		return toldWrite
	case kmsg.Fetch, kmsg.ListOffsets, kmsg.Metadata, kmsg.OffsetFetch, kmsg.OffsetForLeaderEpoch, kmsg.DescribeGroups,
		kmsg.ListGroups, kmsg.DescribeConfigs, kmsg.DescribeCluster, kmsg.DescribeTransactions, kmsg.ListTransactions,
		kmsg.DescribeProducers, kmsg.DescribeTopicPartitions, kmsg.DescribeLogDirs:
		return toldRead
	default:
		return toldWrite
	}
}

// handling notes the request that kfake is about to handle, so the one before has been handled. It is called for one
// request at a time.
func (b *barrier) handling(w work) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.dirty = b.dirty || b.latest.writes
	for _, t := range b.latest.topics {
		b.touched[t] = true
	}
	b.latest = w
}

// wait returns when an answer may be sent, or why none may any more. The request has been handled.
func (b *barrier) wait(p promise) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if p == toldNothing {
		return b.err
	}
	covered := b.begun + 1
	if p == toldRead && !b.dirty && !b.latest.writes {
		covered = b.begun // all that can have been read was there when the last one began
	}
	if b.wanted < covered {
		b.wanted = covered
		b.wake.Signal()
	}
	for b.done < covered && b.err == nil {
		b.freed.Wait()
	}
	return b.err
}

// run synchronises until the barrier is closed, or sync fails, which it returns. sync makes durable all that was
// written before it was called, and is given the topics that may have been written to since the call before.
func (b *barrier) run(sync func(topics []topicKey) error) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	for {
		for b.wanted <= b.begun && b.err == nil {
			b.wake.Wait()
		}
		if b.err != nil {
			return nil
		}
		topics := b.begin()
		b.mu.Unlock()
		err := sync(topics)
		b.mu.Lock()
		if err != nil {
			return err
		}
		b.done = b.begun
		b.freed.Broadcast()
	}
}

// begin takes what has been written up to now. Of the latest request it is not known whether it has been handled yet, so
// the next one takes that up as well.
func (b *barrier) begin() []topicKey {
	b.begun++
	b.dirty = false
	topics := append([]topicKey(nil), b.latest.topics...)
	for t := range b.touched {
		topics = append(topics, t)
	}
	clear(b.touched)
	return topics
}

// close answers nobody any more: all who wait get the error, and run ends.
func (b *barrier) close(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err == nil {
		b.err = err
	}
	b.wake.Signal()
	b.freed.Broadcast()
}
