package transactions

import (
	"errors"
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/refold/refold/schemas/api/bankv1"
	"github.com/refold/refold/streams/topic"
)

// copied is a good log of two partitions, which a test changes and writes to a topic of its own.
type copied struct {
	bank    *bank
	records []*kgo.Record
}

// a good log: an account of c1 in partition 1, one of c4 in partition 0, and some entries in both.
func goodLog(t *testing.T) *copied {
	t.Helper()
	b := newBank(t, 2)
	if topic.Of("c1", 2) == topic.Of("c4", 2) {
		t.Fatal("the customers of this test share a partition")
	}
	i := b.start()
	for _, account := range []string{"c1.main", "c4.main"} {
		i.open(account)
		i.posted(deposit(account, "d1", 100))
		i.posted(withdrawal(account, "w1", 30))
		i.posted(deposit(account, "d2", 5))
	}
	i.status()
	i.holds()
	i.taken()
	if _, err := i.post(withdrawal("c1.main", "no", 1000)); reasonOf(t, err) != ReasonInsufficientFunds {
		t.Fatal(err)
	}
	i.stop()
	c := &copied{bank: newBank(t, 2)}
	c.bank.codec, c.bank.spoiled = b.codec, true
	b.read(func(rec *kgo.Record, _ fact) {
		c.records = append(c.records, &kgo.Record{Topic: rec.Topic, Partition: rec.Partition, Key: rec.Key, Value: rec.Value})
	})
	slices.SortStableFunc(c.records, func(a, b *kgo.Record) int { return int(a.Partition - b.Partition) })
	return c
}

// holds places, captures and releases holds of an account of c4.
func (i *instance) holds() {
	i.bank.t.Helper()
	first := i.held(holdRequest("c4.main", "hold-1", 20))
	second := i.held(holdRequest("c4.main", "hold-2", 30))
	_, captured := i.CaptureHold(i.bank.t.Context(), captureRequest("c4.main", "capture", first, 15))
	_, released := i.ReleaseHold(i.bank.t.Context(), releaseRequest("c4.main", "release", second))
	if err := errors.Join(captured, released); err != nil {
		i.bank.t.Fatal(err)
	}
}

// taken posts entries of an account of c4 that are refunded and reversed.
func (i *instance) taken() {
	i.bank.t.Helper()
	buy, refund := withdrawal("c4.main", "buy", 40), deposit("c4.main", "refund", 10)
	buy.Kind, refund.Kind = bankv1.EntryKind_ENTRY_KIND_CARD_PURCHASE, bankv1.EntryKind_ENTRY_KIND_REFUND
	refund.RefundOf = i.posted(buy).Record.EventId
	i.posted(refund)
	for _, key := range []string{"one", "two"} {
		in := i.posted(deposit("c4.main", "in-"+key, 7))
		if _, err := i.ReverseEntry(i.bank.t.Context(), reverseRequest("c4.main", "back-"+key, in.Record.EventId)); err != nil {
			i.bank.t.Fatal(err)
		}
	}
}

// status freezes, unfreezes and closes accounts of c1.
func (i *instance) status() {
	i.bank.t.Helper()
	i.open("c1.third")
	_, frozen := i.FreezeAccount(i.bank.t.Context(), freezeRequest("c1.main", "freeze"))
	i.posted(deposit("c1.main", "d3", 1))
	_, unfrozen := i.UnfreezeAccount(i.bank.t.Context(), unfreezeRequest("c1.main", "unfreeze"))
	i.posted(withdrawal("c1.main", "w3", 1))
	_, closed := i.CloseAccount(i.bank.t.Context(), closeRequest("c1.third", "close"))
	if err := errors.Join(frozen, unfrozen, closed); err != nil {
		i.bank.t.Fatal(err)
	}
}

// find returns the index of the record of a customer's key.
func (c *copied) find(customer, key string) int {
	c.bank.t.Helper()
	for n, rec := range c.records {
		if e := c.bank.decode(rec).Envelop(); e.CustomerID == customer && e.IdempotencyKey == key {
			return n
		}
	}
	c.bank.t.Fatalf("there is no record of %s %s", customer, key)
	return 0
}

// fact returns the fact of a record.
func (c *copied) fact(customer, key string) fact {
	c.bank.t.Helper()
	return c.bank.decode(c.records[c.find(customer, key)])
}

// change changes the fact of a record.
func (c *copied) change(customer, key string, how func(fact)) {
	c.bank.t.Helper()
	rec := c.records[c.find(customer, key)]
	f := c.bank.decode(rec)
	how(f)
	machines, err := OpenMachines(c.bank.t.Context(), c.bank.codec, topic.Transactions, nil, nil)
	if err == nil {
		rec.Value, err = machines.encoders.encode(f)
	}
	if err != nil {
		c.bank.t.Fatal(err)
	}
}

// write writes the records, in a transaction or not.
func (c *copied) write(opts ...kgo.Opt) {
	t := c.bank.t
	t.Helper()
	client, err := c.bank.cluster.Client(append(opts, kgo.RecordPartitioner(kgo.ManualPartitioner()))...)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	transactional := len(opts) > 0
	if transactional {
		err = client.BeginTransaction()
	}
	if err == nil {
		err = client.ProduceSync(t.Context(), c.records...).FirstErr()
	}
	if err == nil && transactional {
		// The library commits only what its metadata knows: see streams/journal.
		for leader := int32(-1); leader < 0; {
			leader, _, _ = client.PartitionLeader(topic.Transactions, 0)
		}
		err = client.EndTransaction(t.Context(), kgo.TryCommit)
	}
	if err != nil {
		t.Fatal(err)
	}
}
