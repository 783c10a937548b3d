package engine_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/refold/refold/projections/engine"
	"github.com/refold/refold/projections/projection"
	"github.com/refold/refold/projections/spending"
	"github.com/refold/refold/projections/store"
	"github.com/refold/refold/projections/store/memory"
	"github.com/refold/refold/schemas/event"
	"github.com/refold/refold/streams/timeline"
	"github.com/refold/refold/streams/topic"
)

// teller is spending, telling each customer of every purchase, and of those of a modulus someone else, whose
// effects go to another partition.
func teller(t *testing.T) *projection.Definition { t.Helper(); return tellerOf(t, 7) }

// tellerOf is the teller in a version. After the seventh it also tells the boss of every seventh purchase.
func tellerOf(t *testing.T, version int64) *projection.Definition {
	t.Helper()
	type posted struct {
		CustomerID string       `avro:"customer_id"`
		OccurredAt event.Micros `avro:"occurred_at"`
		Legs       []struct {
			AmountMinor int64 `avro:"amount_minor"`
		} `avro:"legs"`
	}
	d, err := projection.Define(spending.Name, version, projection.Emit(topic.Transactions, event.NameEntryPosted,
		func(e *posted, k *projection.Keys) { k.Add(e.CustomerID, spending.Month(e.OccurredAt.Time())) },
		func(k projection.Key, r *spending.Row, e *posted, _ projection.Meta, out *projection.Effects) error {
			n := -e.Legs[0].AmountMinor
			if r.Cells == nil {
				r.Cells = []spending.Cell{{Currency: "EUR"}}
			}
			r.Cells[0].AmountMinor += n
			tell := func(customer string) {
				out.Add(topic.Notifications, &event.NotificationRequested{
					Effect: event.Effect{CustomerID: customer}, Kind: event.NotifyLargePurchase, AmountMinor: n,
				})
			}
			tell(k.Partition)
			if n%5 == 0 {
				tell("auditor " + strconv.FormatInt(n%3, 10))
			}
			if n%7 == 0 && version > 7 {
				tell("boss")
			}
			return nil
		}).To(topic.Notifications, event.NameNotificationRequested))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// tell runs an engine with the teller, as runAs, and returns when the projection is made: what is posted from then
// on is news.
func (b *bank) tell(instance string, stores store.Stores) (*engine.Engine, func()) {
	b.t.Helper()
	e, stop := b.runAs(instance, stores, teller(b.t))
	until(b.t, "the projection is made", func() bool {
		live, _, err := e.Statuses(spending.Name)
		return err == nil && live > 0
	})
	return e, stop
}

// told returns how often each effect was published, by who is told of which purchase.
func (b *bank) told() map[string]int {
	b.t.Helper()
	out := make(map[string]int)
	b.eachTold(func(e event.NotificationRequested) { out[fmt.Sprintf("%s of %d", e.CustomerID, e.AmountMinor)]++ })
	return out
}

// eachTold calls fn for every effect that was published.
func (b *bank) eachTold(fn func(event.NotificationRequested)) {
	b.t.Helper()
	spans := make(map[int32]timeline.Span)
	for p, end := range b.broker.Ends(topic.Notifications) {
		spans[p] = timeline.Span{End: end}
	}
	err := timeline.Scan(b.t.Context(), b.broker.Cluster, topic.Notifications, spans, func(batch timeline.Batch) error {
		for _, rec := range batch.Records {
			schema, err := b.codec.Lookup(b.t.Context(), rec.Value)
			if err != nil {
				return err
			}
			var e event.NotificationRequested
			if err := schema.Decode(rec.Value, &e); err != nil {
				return err
			}
			fn(e)
		}
		return nil
	})
	if err != nil {
		b.t.Fatal(err)
	}
}

// everybody waits until everyone was told of the purchases from one to the last, and fails where somebody was
// told twice or of what is no news.
func (b *bank) everybody(from int) {
	b.t.Helper()
	want := make(map[string]bool)
	for n := from; n <= b.n; n++ {
		want[fmt.Sprintf("c%d of %d", n%10, n)] = true
		if n%5 == 0 {
			want[fmt.Sprintf("auditor %d of %d", n%3, n)] = true
		}
	}
	var told map[string]int
	until(b.t, "everybody is told", func() bool {
		told = b.told()
		return len(told) >= len(want)
	})
	b.once(told)
	for what := range told {
		if !want[what] {
			b.t.Errorf("%s was told, and is no news", what)
		}
	}
	for what := range want {
		if told[what] == 0 {
			b.t.Errorf("%s was not told", what)
		}
	}
}

func (b *bank) once(told map[string]int) {
	b.t.Helper()
	for what, n := range told {
		if n != 1 {
			b.t.Errorf("%s was told %d times", what, n)
		}
	}
}

// ask sends a request that must be answered without an error, and returns the answer as text.
func (b *bank) ask(req kmsg.Request) string {
	b.t.Helper()
	client, err := b.broker.Client()
	if err != nil {
		b.t.Fatal(err)
	}
	defer client.Close()
	resp, err := client.Request(b.t.Context(), req)
	if err != nil {
		b.t.Fatal(err)
	}
	return fmt.Sprintf("%+v", resp)
}

const group = "refold-" + spending.Name

func (b *bank) deleteGroup() { b.t.Helper(); b.deleteGroupOf(group) }

func (b *bank) deleteGroupOf(name string) {
	b.t.Helper()
	req := kmsg.NewPtrDeleteGroupsRequest()
	req.Groups = []string{name}
	if got := b.ask(req); !strings.Contains(got, "ErrorCode:0") {
		b.t.Fatal(got)
	}
}

// resetGroup sets the offsets of the group to the beginning, as tools do.
func (b *bank) resetGroup() {
	b.t.Helper()
	req := kmsg.NewPtrOffsetCommitRequest()
	req.Group, req.Generation = group, -1
	of := kmsg.NewOffsetCommitRequestTopic()
	of.Topic = topic.Transactions
	for p := range int32(partitions) {
		at := kmsg.NewOffsetCommitRequestTopicPartition()
		at.Partition, at.LeaderEpoch = p, -1
		of.Partitions = append(of.Partitions, at)
	}
	req.Topics = append(req.Topics, of)
	b.ask(req)
}

// Nothing but the effects says which effects were published: whatever else is lost, none is published again.
func TestEffectsAreTheirOwnMark(t *testing.T) {
	b := newBank(t)
	stores := memory.New()
	_, stop := b.tell("", stores)
	for _, lose := range []func(){
		func() {},
		b.deleteGroup,
		b.resetGroup,
		func() { stores = memory.New() },
		func() { stores = memory.New(); b.deleteGroup() },
	} {
		b.post(23)
		b.everybody(1)
		stop()
		lose()
		b.post(7) // while nobody is there
		_, stop = b.tell("", stores)
	}
	b.post(1)
	b.everybody(1)
	stop()
}

// What happened before there was the projection is no news.
func TestNothingIsToldOfWhatWasBefore(t *testing.T) {
	b := newBank(t)
	b.post(30)
	e, stop := b.tell("test", memory.New())
	defer stop()
	b.total(e)
	b.post(10)
	b.everybody(31)
}

// Every release fails in one way or another, before or after the broker has done what it was asked.
func TestEffectsSurviveEveryFault(t *testing.T) {
	const effects = "refold-effects-" + spending.Name + "-test"
	fault := func(key kmsg.Key, err *kerr.Error) kfake.Fault {
		f := kfake.Fault{Keys: []kmsg.Key{key}, Err: err, Count: 2}
		switch key {
		case kmsg.EndTxn, kmsg.InitProducerID:
			f.TxnID = effects
		case kmsg.Produce:
			f.Topic = topic.Notifications
		}
		return f
	}
	faults := map[string][]kfake.Fault{
		"the commit times out":     {fault(kmsg.EndTxn, kerr.RequestTimedOut)},
		"the commit fails":         {fault(kmsg.EndTxn, kerr.UnknownServerError)},
		"the member is stale":      {fault(kmsg.TxnOffsetCommit, kerr.IllegalGeneration)},
		"the offsets are unheard":  {fault(kmsg.TxnOffsetCommit, kerr.RequestTimedOut)},
		"records are refused":      {fault(kmsg.Produce, kerr.InvalidTxnState)},
		"the fence fails, as well": {fault(kmsg.EndTxn, kerr.ProducerFenced), fault(kmsg.InitProducerID, kerr.ClusterAuthorizationFailed)},
	}
	b := newBank(t)
	e, stop := b.tell("test", memory.New())
	defer stop()
	b.post(1)
	b.everybody(1)
	for name, some := range faults {
		handle := b.broker.Faults().Fault(some...)
		until(t, name, func() bool {
			b.post(5)
			b.total(e)
			return handle.Hits() >= 2*len(some)
		})
		handle.Remove()
		b.everybody(1)
	}
}

// PJ-7, PJ-11: while purchases go on, generations are promoted and rolled back, and instances come and go.
func TestOneGenerationEmitsAtATime(t *testing.T) {
	b := newBank(t)
	stores := memory.New()
	e, stop := b.tell("test", stores)
	b.post(20)
	b.everybody(1)
	flow, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-flow:
				return
			case <-time.After(time.Millisecond):
				// A machine that folds slower than this writes would never be done.
				if b.behind(e) < 100 {
					b.post(3)
				}
			}
		}
	}()
	var op string
	for range 3 {
		op = b.replay(e)
		if err := e.Rollback(t.Context(), op, "tester", ""); err != nil {
			t.Error(err)
		}
		if err := e.Promote(t.Context(), op, "tester", "again", true); err != nil {
			t.Error(err)
		}
	}
	close(flow)
	<-stopped
	b.everybody(1)
	stop()
	e, stop = b.tell("test", memory.New()) // and nothing is left but the log
	defer stop()
	b.post(10)
	b.everybody(1)
	b.total(e)
}

// behind returns how far the generations are behind, all together.
func (b *bank) behind(e *engine.Engine) (lag int64) {
	_, all, err := e.Statuses(spending.Name)
	if err != nil {
		b.t.Error(err)
	}
	for _, g := range all {
		lag += g.Lag
	}
	return lag
}

// PJ-7: the partitions, and with them the right to publish, go from one instance to the other and back.
func TestInstancesEmitInTurn(t *testing.T) {
	b := newBank(t)
	stores := memory.New()
	var stops []func()
	for round := range 6 {
		_, stop := b.tell("", stores)
		stops = append(stops, stop)
		want := b.n
		until(t, "what was written before is folded", func() bool {
			b.post(7)
			return b.sum(stores, 1) >= sumTo(want)
		})
		if round%2 == 1 {
			stops[0]()
			stops = stops[1:]
		}
	}
	b.everybody(1)
	for _, stop := range stops {
		stop()
	}
}
