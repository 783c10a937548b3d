package transactions

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"github.com/refold/refold/schemas/api/bankv1"
	"github.com/refold/refold/schemas/event"
	"github.com/refold/refold/streams/journal"
	"github.com/refold/refold/streams/topic"
)

// appliedThenFailed lets the next commit be applied by the broker and answered with an error: with the
// code, or with a closed connection where it is nil.
func (b *bank) appliedThenFailed(code *kerr.Error) {
	b.t.Helper()
	helper, err := b.cluster.Client()
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(helper.Close)
	applying := false
	b.kafka.ControlKey(int16(kmsg.EndTxn), func(r kmsg.Request) (kmsg.Response, error, bool) {
		if applying {
			b.kafka.KeepControl()
			return nil, nil, false // this is the request of the helper
		}
		applying = true
		b.kafka.SleepControl(func() {
			again := *r.(*kmsg.EndTxnRequest)
			if resp, err := again.RequestWith(context.Background(), helper); err != nil || resp.ErrorCode != 0 {
				b.t.Errorf("apply the commit: %v, %+v", err, resp)
			}
		})
		b.kafka.DropControl()
		if code == nil {
			return nil, errors.New("the reply is lost"), true
		}
		resp := r.ResponseKind().(*kmsg.EndTxnResponse)
		resp.ErrorCode = code.Code
		return resp, nil, true
	})
}

// closeConnection closes the connection of the next request of a kind, which is not applied.
func (b *bank) closeConnection(key kmsg.Key) {
	b.kafka.ControlKey(int16(key), func(kmsg.Request) (kmsg.Response, error, bool) {
		return nil, errors.New("the request is lost"), true
	})
}

// insisted posts an entry of 1 under a fault, then again after it, and checks that all answers are equal.
func (i *instance) insisted(t *testing.T, account, key string) {
	t.Helper()
	r := deposit(account, key, 1)
	first, err := i.post(r)
	if err != nil && !retryable(err) {
		t.Fatalf("under the fault: got %v, want success or an error to retry", err)
	}
	second, third := i.posted(r), i.posted(r)
	if first != nil && !same(first, second) || !same(second, third) {
		t.Errorf("answers differ: %v, %v, %v", first, second, third)
	}
}

// counted checks that an account has one entry of 1 for each of n keys.
func (b *bank) counted(t *testing.T, account string, n int) {
	t.Helper()
	keys := make(map[string]int)
	b.read(func(_ *kgo.Record, f fact) {
		if _, ok := f.(*event.EntryPosted); ok {
			keys[f.Envelop().IdempotencyKey]++
		}
	})
	for key, records := range keys {
		if records != 1 {
			t.Errorf("records of %s: got %d, want 1", key, records)
		}
	}
	if got := b.balance(account); len(keys) != n || got != int64(n) {
		t.Errorf("got %d keys and a balance of %d, want %d", len(keys), got, n)
	}
}

func errorCodes() []*kerr.Error {
	return []*kerr.Error{
		kerr.InvalidTxnState, kerr.ProducerFenced, kerr.InvalidProducerEpoch, kerr.UnknownProducerID,
		kerr.InvalidProducerIDMapping, kerr.TransactionAbortable, kerr.ConcurrentTransactions,
		kerr.CoordinatorNotAvailable, kerr.NotCoordinator, kerr.UnknownServerError,
		kerr.RequestTimedOut, kerr.NotEnoughReplicasAfterAppend, kerr.OutOfOrderSequenceNumber,
	}
}

// KW-6, with ID-6, ID-7 and ID-8: whatever the code, whatever the request, before or after it was applied.
func TestKW6EveryErrorCode(t *testing.T) {
	for name, opts := range map[string][]kfake.Opt{
		"transactions of version 2": nil,
		"transactions of version 1": {kfake.MaxVersions(kversion.V3_6_0())},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBank(t, 1, opts...)
			i := b.start()
			i.open("c1.main")
			n := 0
			each := func(what string, fault func(*testing.T)) {
				n++
				t.Run(what, func(t *testing.T) {
					fault(t)
					i.insisted(t, "c1.main", fmt.Sprint("k", n))
				})
			}
			refuse := func(t *testing.T, key kmsg.Key, code *kerr.Error) {
				f := b.kafka.Fault(kfake.Fault{Keys: []kmsg.Key{key}, Err: code, TopLevel: key == kmsg.EndTxn || key == kmsg.InitProducerID})
				t.Cleanup(f.Remove)
			}
			for _, code := range errorCodes() {
				for _, key := range []kmsg.Key{kmsg.Produce, kmsg.EndTxn, kmsg.AddPartitionsToTxn} {
					each(key.Name()+" refused with "+code.Message, func(t *testing.T) { refuse(t, key, code) })
				}
				each("commit and then fence refused with "+code.Message, func(t *testing.T) {
					refuse(t, kmsg.EndTxn, kerr.ProducerFenced)
					refuse(t, kmsg.InitProducerID, code)
				})
				each("commit applied, then "+code.Message, func(*testing.T) { b.appliedThenFailed(code) })
			}
			for _, key := range []kmsg.Key{kmsg.Produce, kmsg.EndTxn} {
				each("connection closed at "+key.Name(), func(*testing.T) { b.closeConnection(key) })
			}
			each("commit applied, then the connection closed", func(*testing.T) { b.appliedThenFailed(nil) })
			b.counted(t, "c1.main", n)
		})
	}
}

// A fault that stays: nobody is told a lie, and nobody waits for ever.
func TestKW6FaultThatStays(t *testing.T) {
	b := newBank(t, 1)
	i := b.start(func(c *journal.Config[*Command, Outcome]) { c.Patience = time.Second })
	i.open("c1.main")
	for _, code := range []*kerr.Error{kerr.ProducerFenced, kerr.CoordinatorNotAvailable, kerr.ConcurrentTransactions} {
		t.Run(code.Message, func(t *testing.T) {
			key := code.Message
			f := b.kafka.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.EndTxn}, TopLevel: true, Err: code, Count: -1})
			defer f.Remove()
			if _, err := i.post(deposit("c1.main", key, 1)); !errors.Is(err, journal.ErrUnavailable) {
				t.Errorf("got %v, want %v", err, journal.ErrUnavailable)
			}
			if got := b.recordsOf(key); got != 0 {
				t.Errorf("records: got %d, want 0", got)
			}
			f.Remove()
			i.insisted(t, "c1.main", key)
		})
	}
	b.counted(t, "c1.main", 3)
}

// ID-7: the commit was applied, and the caller told that this is not known. A retry is told of the one record.
func TestID7OutcomeUnknown(t *testing.T) {
	b := newBank(t, 1)
	i := b.start(func(c *journal.Config[*Command, Outcome]) { c.Patience = time.Second })
	i.open("c1.main")
	b.appliedThenFailed(kerr.UnknownServerError)
	fenced := b.kafka.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.InitProducerID}, TopLevel: true, Err: kerr.CoordinatorNotAvailable, Count: -1})
	if _, err := i.post(deposit("c1.main", "k", 7)); !errors.Is(err, journal.ErrUnavailable) {
		t.Errorf("got %v, want %v", err, journal.ErrUnavailable)
	}
	fenced.Remove()
	if got := i.posted(deposit("c1.main", "k", 7)); !got.GetReplayed() || b.recordsOf("k") != 1 {
		t.Errorf("got %v and %d records, want a replay and 1", got, b.recordsOf("k"))
	}
}

// ID-8: the commit has failed for certain. A retry makes the one record.
func TestID8CommitFailed(t *testing.T) {
	b := newBank(t, 1)
	i := b.start()
	i.open("c1.main")
	b.kafka.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.RecordListTooLarge})
	if _, err := i.post(deposit("c1.main", "k", 7)); !errors.Is(err, journal.ErrUnavailable) {
		t.Errorf("got %v, want %v", err, journal.ErrUnavailable)
	}
	if got := b.recordsOf("k"); got != 0 {
		t.Errorf("records: got %d, want 0", got)
	}
	if got := i.posted(deposit("c1.main", "k", 7)); got.GetReplayed() || b.recordsOf("k") != 1 {
		t.Errorf("got %v and %d records, want a first answer and 1", got, b.recordsOf("k"))
	}
}

func TestID6OwnerGoneBeforeTheReply(t *testing.T) {
	b := newBank(t, 1)
	first := b.start()
	first.open("c1.main")
	b.appliedThenFailed(kerr.UnknownServerError)
	// The caller does not wait for the answer, and the owner goes.
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { _, _ = first.PostEntry(ctx, deposit("c1.main", "k", 7)) })
	first.until(func() bool { return b.recordsOf("k") == 1 })
	cancel()
	first.stop()
	wg.Wait()
	got := b.start().posted(deposit("c1.main", "k", 7))
	if !got.GetReplayed() || b.recordsOf("k") != 1 {
		t.Errorf("got %v and %d records, want a replay and 1", got, b.recordsOf("k"))
	}
}

// KW-2: two owners that both believe. Each commits in turn as it fences the other one.
func TestKW2TwoOwners(t *testing.T) {
	b := newBank(t, 1)
	owners := []*instance{b.start(), b.start(inGroup("other"))}
	owners[0].open("c1.main")
	const commands = 40
	answers := make(map[string][]*bankv1.PostEntryResponse)
	var mu sync.Mutex
	var wg sync.WaitGroup
	for _, i := range owners {
		for n := range commands {
			// Both owners get every command, at the same time.
			wg.Go(func() {
				key := fmt.Sprint("k", n)
				a := i.posted(deposit("c1.main", key, 1))
				mu.Lock()
				defer mu.Unlock()
				answers[key] = append(answers[key], a)
			})
		}
	}
	wg.Wait()
	for key, got := range answers {
		if len(got) != 2 || !same(got[0], got[1]) {
			t.Errorf("%s: got answers %v, want two equal ones", key, got)
		}
	}
	if got := b.balance("c1.main"); got != commands {
		t.Errorf("balance: got %d, want %d", got, commands)
	}
	if one, two := owners[0].committed(), owners[1].committed(); one+two != commands+1 {
		t.Errorf("committed records: got %d and %d, want %d together", one, two, commands+1)
	}
}

// committed returns how many records an instance knows that it has committed.
func (i *instance) committed() int64 {
	var n int64
	for _, s := range i.cfg.Journal.Status() {
		n += s.Records
	}
	return n
}

// KW-10: a record of somebody else. The owner steps down, says why, and serves no more: what stands behind
// that record cannot be trusted.
func TestKW10ForeignRecord(t *testing.T) {
	copied := func(b *bank) []byte {
		var value []byte
		b.read(func(rec *kgo.Record, _ fact) { value = rec.Value })
		return value
	}
	for name, c := range map[string]struct {
		value func(*bank) []byte
		found string
	}{
		"garbage":               {func(*bank) []byte { return []byte("hello") }, "cannot be decoded"},
		"a record once more":    {copied, "names another record than the one before it"},
		"of an unknown schema":  {func(*bank) []byte { return []byte{0, 0, 0, 0, 99, 1} }, "cannot be decoded"},
		"not of a transaction":  {copied, "not of a transaction"},
		"not the next sequence": {copied, "is number 2 of its partition, after number 2"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBank(t, 1)
			b.spoiled = true
			i := b.start()
			i.open("c1.main")
			i.posted(deposit("c1.main", "before", 1))
			b.foreign(c.value(b))
			if _, err := i.post(deposit("c1.main", "k", 1)); !errors.Is(err, journal.ErrUnavailable) {
				t.Errorf("got %v, want %v", err, journal.ErrUnavailable)
			}
			i.until(func() bool { return i.cfg.Journal.Status()[0].Failures >= 3 })
			if s := i.cfg.Journal.Status()[0]; s.State == journal.Serving || s.Problem == "" {
				t.Errorf("status: got %+v, want one that does not serve and says why", s)
			}
			if got := b.report(); got.Found == 0 || !strings.Contains(fmt.Sprint(got.Problems), c.found) {
				t.Errorf("verify: got %v, want %q", got.Problems, c.found)
			}
		})
	}
}

// foreign appends a record as a producer that knows nothing of journals.
func (b *bank) foreign(value []byte) {
	b.t.Helper()
	client, err := b.cluster.Client(kgo.DefaultProduceTopic(topic.Transactions))
	if err != nil {
		b.t.Fatal(err)
	}
	defer client.Close()
	if err := client.ProduceSync(b.t.Context(), &kgo.Record{Key: []byte("c1"), Value: value}).FirstErr(); err != nil {
		b.t.Fatal(err)
	}
}
