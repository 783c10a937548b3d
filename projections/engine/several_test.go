package engine_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/refold/refold/projections/engine"
	"github.com/refold/refold/projections/projection"
	"github.com/refold/refold/projections/store"
	"github.com/refold/refold/projections/store/memory"
	"github.com/refold/refold/schemas/codec"
	"github.com/refold/refold/schemas/event"
	"github.com/refold/refold/streams/fake"
	"github.com/refold/refold/streams/topic"
)

// mixed is the name of a projection of two sources, whose rows say in which order their events came.
const mixed = "mixed"

// trace is a row of it.
type trace struct {
	Events string `avro:"events"`
}

// mixedDefinition notes every event of two topics in one row of its partition, and tells its customer of it.
func mixedDefinition(t testing.TB, version int64) *projection.Definition {
	t.Helper()
	type posted struct {
		CustomerID string `avro:"customer_id"`
		EventID    string `avro:"event_id"`
	}
	keys := func(_ *posted, k *projection.Keys) { k.Add("@all", "") }
	fold := func(mark string) func(projection.Key, *trace, *posted, projection.Meta, *projection.Effects) error {
		return func(_ projection.Key, r *trace, e *posted, _ projection.Meta, out *projection.Effects) error {
			r.Events += mark + e.EventID + " "
			out.Add(topic.Notifications, &event.NotificationRequested{
				Effect: event.Effect{CustomerID: e.CustomerID}, Kind: event.NotifyLowBalance, AccountID: mark + e.EventID,
			})
			return nil
		}
	}
	d, err := projection.Define(mixed, version,
		projection.Emit(topic.Transactions, event.NameEntryPosted, keys, fold("e")).To(topic.Notifications, event.NameNotificationRequested),
		projection.Emit(topic.Transfers, event.NameAccountFrozen, keys, fold("f")).To(topic.Notifications, event.NameNotificationRequested))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// several is a bank whose events are in two topics.
type several struct {
	*bank
	rng     *rand.Rand
	now     event.Micros
	written []int // of each topic
	frozen  *codec.Encoder
	news    int                   // events before the first that is news, over both topics
	steady  bool                  // no clock goes back
	facts   map[string]occurrence // what was written, by its mark
	asked   atomic.Int64
}

// occurrence is an event that was written.
type occurrence struct {
	customer string
	at       event.Micros
}

func newSeveral(t *testing.T) *several {
	t.Helper()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	b := &several{bank: newBank(t), rng: rand.New(rand.NewPCG(seed, 0)), written: make([]int, 2), facts: make(map[string]occurrence)}
	var err error
	if b.frozen, err = b.codec.Encoder(t.Context(), topic.Transfers, event.NameAccountFrozen); err != nil {
		t.Fatal(err)
	}
	return b
}

// write writes n events to one topic or the other, in one transaction.
func (b *several) write(source, n int) {
	b.t.Helper()
	var out []fake.Record
	for range n {
		if b.now += event.Micros(b.rng.IntN(3)); !b.steady {
			b.now--
		}
		b.written[source]++
		id := fmt.Sprint(b.written[source])
		customer := fmt.Sprint("c", b.rng.IntN(10))
		envelope := event.Envelope{EventID: id, CustomerID: customer, RecordedAt: b.now + 1_000_000, OccurredAt: b.now}
		b.facts["ef"[source:source+1]+id] = occurrence{customer, envelope.RecordedAt}
		at := fake.Record{Topic: topic.Transactions, Partition: topic.Of(customer, partitions), Key: []byte(customer)}
		var err error
		if source == 0 {
			at.Value, err = b.encoder.Append(nil, &event.EntryPosted{Envelope: envelope, Kind: event.EntryFee})
		} else {
			at.Topic = topic.Transfers
			at.Value, err = b.frozen.Append(nil, &event.AccountFrozen{Envelope: envelope})
		}
		if err != nil {
			b.t.Fatal(err)
		}
		out = append(out, at)
	}
	b.broker.Commit(out...)
}

// some writes some transactions to both topics.
func (b *several) some() {
	for range 6 {
		b.write(b.rng.IntN(2), 1+b.rng.IntN(5))
	}
}

// runs runs an engine, and returns when the projection is made.
func (b *several) runs(instance string, stores store.Stores, catalog ...*projection.Definition) (*engine.Engine, func()) {
	b.t.Helper()
	e, stop := b.runAs(instance, stores, catalog...)
	until(b.t, "the projection is made", func() bool {
		live, _, err := e.Statuses(mixed)
		return err == nil && live > 0
	})
	return e, stop
}

// rows returns what the rows of a generation say, by partition.
func (b *several) rows(stores store.Stores, generation int64) (out []string) {
	b.t.Helper()
	s, err := stores.Open(store.Generation{Projection: mixed, Number: generation})
	if err != nil {
		b.t.Fatal(err)
	}
	row, err := codec.RowOf[trace]()
	if err != nil {
		b.t.Fatal(err)
	}
	for p := range int32(partitions) {
		stored, err := s.Load(p, projection.Key{Partition: "@all"}.Encode())
		if err != nil {
			b.t.Fatal(err)
		}
		var r trace
		if stored != nil {
			if _, err := projection.Decode(row, stored, &r); err != nil {
				b.t.Fatal(err)
			}
		}
		out = append(out, r.Events)
	}
	return out
}

// folded waits until a generation has folded all that was written, once each, and returns its rows.
func (b *several) folded(stores store.Stores, generation int64) (rows []string) {
	b.t.Helper()
	until(b.t, "all is folded", func() bool {
		rows = b.rows(stores, generation)
		return len(strings.Fields(strings.Join(rows, ""))) >= b.written[0]+b.written[1]
	})
	seen := make(map[string]bool)
	for _, of := range rows {
		for _, e := range strings.Fields(of) {
			if seen[e] {
				b.t.Errorf("%s was folded twice", e)
			}
			seen[e] = true
		}
	}
	if len(seen) != b.written[0]+b.written[1] {
		b.t.Errorf("got %d events, want %d", len(seen), b.written[0]+b.written[1])
	}
	return rows
}

// all waits until everyone was told of every event but those that were no news, and fails where somebody was twice.
func (b *several) all() {
	b.t.Helper()
	want := b.written[0] + b.written[1] - b.news
	var told map[string]int
	until(b.t, "everybody is told", func() bool {
		told = b.tellings()
		return len(told) >= want
	})
	b.once(told)
	if len(told) != want {
		b.t.Errorf("%d were told, want %d", len(told), want)
	}
}

// explain says how far everything is, where the test has failed.
func (b *several) explain(e *engine.Engine) {
	if !b.t.Failed() {
		return
	}
	_, all, err := e.Statuses(mixed)
	for _, s := range all {
		b.t.Logf("generation %d is %v, %d to go, %v, %v: %+v", s.Number, s.State, s.Lag, s.Err, s.Incomparable, s.Progress)
	}
	b.t.Log(err)
}

func (b *several) replayed(e *engine.Engine) string {
	b.t.Helper()
	op, err := e.Start(b.t.Context(), mixed, "tester", "")
	if err != nil {
		b.t.Fatal(err)
	}
	defer b.explain(e)
	until(b.t, op+" is verified", func() bool { return b.status(e, op).State == engine.Verified })
	if s := b.status(e, op); s.Verified.Differences != 0 || s.Verified.Rows == 0 {
		b.t.Errorf("got %d differences in %d rows, want none: %v", s.Verified.Differences, s.Verified.Rows, s.Differences)
	}
	return op
}

// A replay folds in the very order of live, and what was lost is folded again in that order.
func TestSeveralSourcesAreFoldedInOneOrder(t *testing.T) {
	b := newSeveral(t)
	stores := memory.New()
	e, stop := b.runs("test", stores, mixedDefinition(t, 1))
	for range 10 {
		b.some()
		if b.rng.IntN(2) == 0 {
			b.folded(stores, 1)
		}
	}
	want := b.folded(stores, 1)
	b.all()
	op := b.replayed(e)
	if got := b.rows(stores, 2); !slices.Equal(got, want) {
		t.Errorf("got\n%v\nwant\n%v", got, want)
	}
	if err := e.Promote(t.Context(), op, "tester", "", false); err != nil {
		t.Fatal(err)
	}
	for range 5 {
		b.some()
	}
	want = b.folded(stores, 2)
	if got := b.folded(stores, 1); !slices.Equal(got, want) {
		t.Errorf("got\n%v\nfrom the generation that stands by, want\n%v", got, want)
	}
	b.all()
	stop()
	b.some()
	stores = memory.New() // all rows are lost
	_, stop = b.runs("test", stores, mixedDefinition(t, 1))
	defer stop()
	b.some()
	got := b.folded(stores, 2)
	for p := range got {
		if !strings.HasPrefix(got[p], want[p]) {
			t.Errorf("got\n%s\nwant it to begin with\n%s", got[p], want[p])
		}
	}
	b.all()
}

// tellings returns how often each effect was published.
func (b *several) tellings() map[string]int {
	b.t.Helper()
	out := make(map[string]int)
	b.eachTold(func(e event.NotificationRequested) { out[e.AccountID]++ })
	return out
}

// Nothing but the log says in which order events were folded: not the group, whose offsets are for tools, and not rows.
func TestTheOrderIsKeptWithoutEffects(t *testing.T) {
	b := newSeveral(t)
	d := silentDefinition(t)
	stores := memory.New()
	var want []string
	for range 4 {
		e, stop := b.runs("", stores, d)
		for range 5 {
			b.some()
		}
		got := b.folded(stores, 1)
		for p := range want {
			if !strings.HasPrefix(got[p], want[p]) {
				t.Errorf("got\n%s\nwant it to begin with\n%s", got[p], want[p])
			}
		}
		want = got
		b.replayed(e)
		stop()
		b.deleteGroupOf("refold-" + mixed)
		stores = memory.New()
		b.some() // while nobody is there
	}
}

// silentDefinition is mixedDefinition without effects.
func silentDefinition(t *testing.T) *projection.Definition {
	t.Helper()
	type named struct {
		EventID string `avro:"event_id"`
	}
	keys := func(_ *named, k *projection.Keys) { k.Add("@all", "") }
	fold := func(mark string) func(projection.Key, *trace, *named, projection.Meta) error {
		return func(_ projection.Key, r *trace, e *named, _ projection.Meta) error {
			r.Events += mark + e.EventID + " "
			return nil
		}
	}
	d, err := projection.Define(mixed, 1,
		projection.On(topic.Transactions, event.NameEntryPosted, keys, fold("e")),
		projection.On(topic.Transfers, event.NameAccountFrozen, keys, fold("f")))
	if err != nil {
		t.Fatal(err)
	}
	return d
}
