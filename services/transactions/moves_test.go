package transactions

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/refold/refold/streams/journal"
	"github.com/refold/refold/streams/topic"
)

// under does something again and again while deposits of 1 are made, and checks that each was made once.
func (b *bank) under(disturb func(*rand.Rand)) {
	b.t.Helper()
	seed := rand.Uint64()
	b.t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	i := b.start()
	i.open("c1.main")
	const callers, each, rounds = 8, 25, 20
	var clients sync.WaitGroup
	for n := range callers {
		clients.Go(func() {
			for k := range each {
				i.posted(deposit("c1.main", fmt.Sprintf("k-%d-%d", n, k), 1))
			}
		})
	}
	// What is disturbed goes on in between.
	for range rounds {
		before := i.committed()
		disturb(rng)
		if before < callers*each {
			i.until(func() bool { return i.committed() > before })
		}
	}
	clients.Wait()
	b.counted(b.t.(*testing.T), "c1.main", callers*each)
}

// KW-8: the leader of the partition moves under load.
func TestKW8LeaderMoves(t *testing.T) {
	b := newBank(t, 1, kfake.NumBrokers(3))
	b.under(func(rng *rand.Rand) {
		if err := b.kafka.MoveTopicPartition(topic.Transactions, 0, rng.Int32N(3)); err != nil {
			t.Error(err)
		}
	})
}

// KW-9: the coordinator of the transactions moves under load, between any two requests.
func TestKW9CoordinatorMoves(t *testing.T) {
	b := newBank(t, 1, kfake.NumBrokers(3))
	b.under(func(*rand.Rand) { b.kafka.RehashCoordinators() })
}

// KW-9: a coordinator that is on its way or not there is asked again.
func TestKW9CoordinatorIsNotThere(t *testing.T) {
	b := newBank(t, 1)
	b.under(func(rng *rand.Rand) {
		codes := []*kerr.Error{kerr.CoordinatorNotAvailable, kerr.CoordinatorLoadInProgress, kerr.NotCoordinator}
		keys := []kmsg.Key{kmsg.EndTxn, kmsg.InitProducerID, kmsg.FindCoordinator}
		b.kafka.Fault(kfake.Fault{Keys: []kmsg.Key{keys[rng.IntN(len(keys))]}, Err: codes[rng.IntN(len(codes))], TopLevel: true, Count: 1 + rng.IntN(3)})
	})
}

// KW-17: the broker has forgotten the transactional id, which was idle for a week. The next write takes it
// again.
func TestKW17TransactionalIDExpired(t *testing.T) {
	b := newBank(t, 1)
	i := b.start()
	i.open("c1.main")
	for n, key := range []kmsg.Key{kmsg.Produce, kmsg.EndTxn} {
		b.kafka.Fault(kfake.Fault{Keys: []kmsg.Key{key}, Err: kerr.InvalidProducerIDMapping, TopLevel: key == kmsg.EndTxn})
		i.insisted(t, "c1.main", fmt.Sprint("k", n))
	}
	b.counted(t, "c1.main", 2)
}

// KW-18: a transaction is held open for longer than the broker lets it be. The coordinator aborts it, the owner
// learns so when it commits, and the retry is decided under a new fence.
func TestKW18TransactionTimesOut(t *testing.T) {
	b := newBank(t, 1)
	const short = time.Second
	b.kafka.ControlKey(int16(kmsg.InitProducerID), func(r kmsg.Request) (kmsg.Response, error, bool) {
		b.kafka.KeepControl()
		r.(*kmsg.InitProducerIDRequest).TransactionTimeoutMillis = int32(short.Milliseconds())
		return nil, nil, false
	})
	i := b.start()
	i.open("c1.main")
	b.kafka.ControlKey(int16(kmsg.EndTxn), func(kmsg.Request) (kmsg.Response, error, bool) {
		b.kafka.DropControl()
		b.kafka.SleepControl(func() { <-time.After(3 * short / 2) })
		return nil, nil, false
	})
	i.insisted(t, "c1.main", "k")
	if got := i.cfg.Journal.Status()[0].Failures; got == 0 {
		t.Error("the owner never learned that its transaction was aborted")
	}
	b.counted(t, "c1.main", 1)
}

// KW-14: the topic is deleted and made again. Its owner serves no more: it does not begin anew at 0.
func TestKW14TopicMadeAgain(t *testing.T) {
	b := newBank(t, 1)
	b.spoiled = true
	i := b.start()
	i.open("c1.main")
	i.posted(deposit("c1.main", "before", 1))
	if err := errors.Join(b.kafka.DeleteTopic(topic.Transactions), b.kafka.CreateTopic(topic.Transactions, 1, nil)); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	if _, err := i.PostEntry(ctx, deposit("c1.main", "k", 1)); err == nil {
		t.Error("got an answer, want an error")
	}
	i.until(func() bool { return i.cfg.Journal.Status()[0].Failures >= 3 })
	if s := i.cfg.Journal.Status()[0]; s.State == journal.Serving || s.Problem == "" {
		t.Errorf("status: got %+v, want one that does not serve and says why", s)
	}
	if got := b.recordsOf("k"); got != 0 {
		t.Errorf("records in the topic that was made again: got %d, want 0", got)
	}
}
