package engine_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/refold/refold/projections/engine"
	"github.com/refold/refold/projections/projection"
	"github.com/refold/refold/projections/store"
	"github.com/refold/refold/projections/store/memory"
	"github.com/refold/refold/projections/trail"
	"github.com/refold/refold/schemas/codec"
	"github.com/refold/refold/schemas/event"
	"github.com/refold/refold/streams/topic"
)

// marked are events, by their marks.
type marked struct{ sync.Map }

func (m *marked) set(marks ...string) {
	m.Clear()
	for _, mark := range marks {
		m.Store(mark, true)
	}
}

func (m *marked) has(mark string) bool {
	_, ok := m.Load(mark)
	return ok
}

// brittle notes every event of two topics in a row of its customer, of which it tells, and in one of its partition. It
// fails for the customer's row at the events that are bad.
func brittle(t *testing.T, version int64, bad *marked) *projection.Definition {
	t.Helper()
	type named struct {
		CustomerID string `avro:"customer_id"`
		EventID    string `avro:"event_id"`
	}
	keys := func(e *named, k *projection.Keys) { k.Add("@all", ""); k.Add(e.CustomerID, "") }
	fold := func(source string) func(projection.Key, *trace, *named, projection.Meta, *projection.Effects) error {
		return func(k projection.Key, r *trace, e *named, _ projection.Meta, out *projection.Effects) error {
			mark := source + e.EventID
			r.Events += mark + " "
			if k.Partition == "@all" {
				return nil
			}
			if bad.has(mark) {
				return errBad
			}
			out.Add(topic.Notifications, &event.NotificationRequested{
				Effect: event.Effect{CustomerID: e.CustomerID}, Kind: event.NotifyLowBalance, AccountID: mark,
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

// row returns what the row of a customer says.
func (b *several) row(e *engine.Engine, customer string, q engine.Query) (string, *engine.View) {
	b.t.Helper()
	q.Projection, q.Partition, q.Key = mixed, topic.Of(customer, partitions), customer
	v, err := e.View(b.t.Context(), q)
	if err != nil {
		b.t.Fatalf("%s as of %+v: %v", customer, q.AsOf, err)
	}
	defer v.Close()
	stored, err := v.Load(projection.Key{Partition: customer})
	if err != nil {
		b.t.Fatal(err)
	}
	c, err := codec.RowOf[trace]()
	if err != nil {
		b.t.Fatal(err)
	}
	var r trace
	if stored != nil {
		if _, err := projection.Decode(c, stored, &r); err != nil {
			b.t.Fatal(err)
		}
	}
	return r.Events, v
}

// of returns the marks of a customer's events that one source holds, up to a time.
func (b *several) of(source, customer string, until event.Micros) (marks []string) {
	for mark, f := range b.facts {
		if mark[:1] == source && f.customer == customer && f.at <= until {
			marks = append(marks, mark)
		}
	}
	slices.Sort(marks)
	return marks
}

// beside are the catalogs that a look into the past has: with a trail, and without one.
func beside() map[string][]*projection.Definition {
	return map[string][]*projection.Definition{"reading the partition": nil, "by the trail": {trail.Definition()}}
}

// A row of several sources is told as it was after every one of its events, at every position of the first source and at
// every time, in the order in which it was folded; and of what it was made.
func TestThePastOfSeveralSources(t *testing.T) {
	for name, catalog := range beside() {
		t.Run(name, func(t *testing.T) {
			b := newSeveral(t)
			b.steady = true
			e, stop := b.runs("test", memory.New(), append(catalog, brittle(t, 1, new(marked)))...)
			defer stop()
			for range 12 {
				b.some()
				if b.rng.IntN(2) == 0 {
					b.all()
				}
			}
			b.all()
			for n := range 10 {
				customer := fmt.Sprint("c", n)
				is, _ := b.row(e, customer, engine.Query{})
				b.wasMade(e, customer, is)
				for _, f := range b.facts {
					got, v := b.row(e, customer, engine.Query{AsOf: &engine.Moment{Time: f.at.Time()}})
					want := append(b.of("e", customer, f.at), b.of("f", customer, f.at)...)
					if made := strings.Fields(got); !slices.Equal(slices.Sorted(slices.Values(made)), want) {
						t.Fatalf("%s at %d: got %v, want %v", customer, f.at, made, want)
					}
					if v.Scanned != (catalog == nil) {
						t.Errorf("scanned: got %t", v.Scanned)
					}
				}
			}
		})
	}
}

// wasMade checks why a row is as it is, and how it was before and after each of its events of the first source.
func (b *several) wasMade(e *engine.Engine, customer, is string) {
	b.t.Helper()
	q := engine.WhyQuery{Query: engine.Query{Projection: mixed, Partition: topic.Of(customer, partitions), Key: customer}, Limit: 1000}
	why, err := e.Why(b.t.Context(), q)
	if err != nil {
		b.t.Fatal(err)
	}
	var made []string
	for i, c := range slices.Backward(why.Causes) {
		mark := map[string]string{topic.Transactions: "e", topic.Transfers: "f"}[c.Topic] + c.ID
		made = append(made, mark)
		if i > 0 && c.Position >= why.Causes[i-1].Position {
			b.t.Errorf("%s at %d comes before one at %d", mark, c.Position, why.Causes[i-1].Position)
		}
		if c.Topic != topic.Transactions {
			continue
		}
		after, _ := b.row(e, customer, engine.Query{AsOf: &engine.Moment{Position: c.Offset + 1}})
		if want := strings.Join(made, " ") + " "; after != want {
			b.t.Errorf("%s after %s: got %s, want %s", customer, mark, after, want)
		}
		if before, _ := b.row(e, customer, engine.Query{AsOf: &engine.Moment{Position: c.Offset}}); strings.Contains(before, mark+" ") || !strings.HasPrefix(after, before) {
			b.t.Errorf("%s before %s: got %s, and after it %s", customer, mark, before, after)
		}
	}
	if got := strings.Join(made, " "); got != strings.TrimSpace(is) || !strings.Contains(why.Row, got) {
		b.t.Errorf("why %s is %s: got %s, and %s", customer, is, got, why.Row)
	}
	if n := len(why.Causes); n > 2 {
		q.Limit, q.Below = 2, why.Causes[0].Position
		if why, err = e.Why(b.t.Context(), q); err != nil || len(why.Causes) != 2 || why.Earlier != (n > 3) || why.Causes[0].Position >= q.Below {
			b.t.Errorf("got %+v, %v, want the two before %d", why, err, q.Below)
		}
	}
}

// parkedAt waits until the row of an event's customer is parked in so many generations.
func (b *several) parkedAt(e *engine.Engine, mark string, generations int) (row engine.ParkedRow) {
	b.t.Helper()
	defer b.explain(e)
	until(b.t, mark+" parks its row", func() bool {
		all, err := e.Parked(mixed)
		if err != nil {
			b.t.Fatal(err)
		}
		for _, r := range all {
			if r.Key.Partition != b.facts[mark].customer || r.Position != all[0].Position {
				b.t.Fatalf("got %v, want the row of %s", all, b.facts[mark].customer)
			}
			row = r
		}
		return len(all) == generations && b.level(e)
	})
	return row
}

// level tells whether all that is written is folded by all generations, or waits for a row.
func (b *several) level(e *engine.Engine) bool {
	_, all, err := e.Statuses(mixed)
	return err == nil && !slices.ContainsFunc(all, func(s engine.Status) bool {
		return s.State != engine.Cancelled && (s.Lag > 0 || len(s.Progress) < partitions)
	})
}

// next returns the mark of the next event that is written to a source.
func (b *several) next(source int) string {
	return fmt.Sprint("ef"[source:source+1], b.written[source]+1)
}

// A row that is parked at an event of either source goes on when the fold is mended: it is as if it had never stood
// still, and everybody is told once. One that is not mended can do without the event, in every generation.
func TestARowOfSeveralSourcesIsRetriedAndDiscarded(t *testing.T) {
	for name, catalog := range beside() {
		for source := range 2 {
			t.Run(fmt.Sprint(name, source), func(t *testing.T) { unparked(t, catalog, source) })
		}
	}
}

func unparked(t *testing.T, catalog []*projection.Definition, source int) {
	b, bad, stores := newSeveral(t), new(marked), memory.New()
	e, stop := b.runs("test", stores, append(catalog, brittle(t, 1, bad))...)
	b.some()
	b.all()
	mark := b.next(source)
	bad.set(mark)
	b.write(source, 1)
	b.some()
	row := b.parkedAt(e, mark, 1)
	if left, err := e.RetryParked(t.Context(), mixed, row, "tester", "to see"); err != nil || len(left) != 1 {
		t.Errorf("the same fold: got %v, %v", left, err)
	}
	bad.set()
	if left, err := e.RetryParked(t.Context(), mixed, row, "tester", "it is mended"); err != nil || len(left) != 0 {
		t.Errorf("mended: got %v, %v", left, err)
	}
	b.some()
	b.all()

	mark = b.next(source)
	bad.set(mark)
	b.write(source, 1)
	b.some()
	b.parkedAt(e, mark, 1)
	b.replayed(e)
	row = b.parkedAt(e, mark, 2)
	if left, err := e.DiscardParked(t.Context(), mixed, row, "tester", "it never was"); err != nil || len(left) != 0 {
		t.Errorf("discarded: got %v, %v", left, err)
	}
	b.some()
	b.news = 1
	b.all()
	op := b.replayed(e)
	if err := e.Promote(t.Context(), op, "tester", "", false); err != nil {
		t.Fatal(err)
	}
	b.some()
	b.all()
	customer := b.facts[mark].customer
	is, _ := b.row(e, customer, engine.Query{})
	if strings.Contains(is, mark+" ") || len(strings.Fields(is)) != len(b.of("e", customer, 1e15))+len(b.of("f", customer, 1e15))-1 {
		t.Errorf("got %s without %s", is, mark)
	}
	stop()
	e, stop = b.runs("test", stores, append(catalog, brittle(t, 1, bad))...)
	defer stop()
	b.replayed(e)
}

// Some keys are folded anew, and held against what is stored: what drifted is found, and a fold that gives two rows for
// the same events.
func TestDrillSeveralSources(t *testing.T) {
	b, stores := newSeveral(t), memory.New()
	e, stop := b.runs("test", stores, trail.Definition(), brittle(t, 1, new(marked)))
	for range 5 {
		b.some()
	}
	b.all()
	d, err := e.Drill(t.Context(), mixed)
	if alarm := d.Alarm(); err != nil || alarm != nil || d.Keys == 0 {
		t.Fatalf("got %d keys, %v, %v", d.Keys, alarm, err)
	}
	stop()
	customer := b.facts["e1"].customer
	b.spoil(stores, customer)
	e, stop = b.runs("test", stores, trail.Definition(), brittle(t, 1, new(marked)))
	defer stop()
	until(t, "it is found", func() bool {
		d, err := e.Drill(t.Context(), mixed)
		return err == nil && len(d.Drifted) == 1 && d.Drifted[0].Partition == customer && errors.Is(d.Alarm(), engine.ErrDrift)
	})
}

// spoil changes the stored row of a customer.
func (b *several) spoil(stores store.Stores, customer string) {
	b.t.Helper()
	s, err := stores.Open(store.Generation{Projection: mixed, Number: 1})
	if err != nil {
		b.t.Fatal(err)
	}
	p, key := topic.Of(customer, partitions), projection.Key{Partition: customer}.Encode()
	stored, err := s.Load(p, key)
	if err != nil || stored == nil {
		b.t.Fatalf("got %v, %v", stored, err)
	}
	stored[len(stored)-2] = 'x'
	c, err := s.Checkpoint(p)
	if err != nil {
		b.t.Fatal(err)
	}
	if err := s.Save(p, c, func(w store.Writer) error { return w.Set(key, stored) }); err != nil {
		b.t.Fatal(err)
	}
}

// A fold of several sources that is not pure is found when generations are compared.
func TestAnImpureFoldOfSeveralSourcesIsFound(t *testing.T) {
	b := newSeveral(t)
	var calls atomic.Int64
	var impure atomic.Bool
	type named struct {
		CustomerID string `avro:"customer_id"`
	}
	keys := func(e *named, k *projection.Keys) { k.Add(e.CustomerID, "") }
	fold := func(_ projection.Key, r *trace, _ *named, _ projection.Meta) error {
		if r.Events += "."; impure.Load() {
			r.Events += fmt.Sprint(calls.Add(1))
		}
		return nil
	}
	d, err := projection.Define(mixed, 1, projection.On(topic.Transactions, event.NameEntryPosted, keys, fold),
		projection.On(topic.Transfers, event.NameAccountFrozen, keys, fold))
	if err != nil {
		t.Fatal(err)
	}
	e, stop := b.runs("test", memory.New(), trail.Definition(), d)
	defer stop()
	b.some()
	impure.Store(true)
	op, err := e.Start(t.Context(), mixed, "tester", "")
	if err != nil {
		t.Fatal(err)
	}
	until(t, "it is found", func() bool { return errors.Is(b.status(e, op).Incomparable, engine.ErrImpure) })
}
