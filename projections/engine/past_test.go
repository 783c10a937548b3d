package engine_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/refold/refold/projections/balances"
	"github.com/refold/refold/projections/engine"
	"github.com/refold/refold/projections/projection"
	"github.com/refold/refold/projections/spending"
	"github.com/refold/refold/projections/store/memory"
	"github.com/refold/refold/projections/trail"
	"github.com/refold/refold/schemas/event"
	"github.com/refold/refold/streams/fake"
	"github.com/refold/refold/streams/timeline"
	"github.com/refold/refold/streams/topic"
)

// history writes a log of one partition: accounts, deposits, transfers within it, holds, captures, reversals.
type history struct {
	*bank
	random    *rand.Rand
	customers []string
	facts     []any
	at        []time.Time // when each fact was recorded
	seq       map[string]int64
	balance   map[string]int64
	holds     []event.HoldPlaced
	posted    []event.EntryPosted
}

func newHistory(t *testing.T, n int) *history {
	t.Helper()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	h := &history{bank: newBank(t), random: rand.New(rand.NewPCG(seed, 0)), seq: map[string]int64{}, balance: map[string]int64{}}
	for i := 0; len(h.customers) < 4; i++ {
		if c := fmt.Sprint("c", i); topic.Of(c, partitions) == 0 {
			h.customers = append(h.customers, c)
			h.add(&event.AccountOpened{Envelope: h.envelope(c), AccountID: c + ".main", Kind: event.AccountCard, Currency: "EUR"})
		}
	}
	for range n {
		h.next()
	}
	h.write()
	return h
}

func (h *history) envelope(customer string) event.Envelope {
	n := len(h.facts)
	at := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(n) * 7 * time.Hour)
	h.at = append(h.at, at)
	return event.Envelope{EventID: fmt.Sprint("event-", n), PartitionSeq: int64(n) * 9_000, CustomerID: customer, RecordedAt: event.MicrosOf(at), OccurredAt: event.MicrosOf(at)}
}

func (h *history) add(fact any) { h.facts = append(h.facts, fact) }

func (h *history) leg(account string, amount int64) event.Leg {
	h.seq[account]++
	h.balance[account] += amount
	return event.Leg{AccountID: account, AmountMinor: amount, Currency: "EUR", BalanceAfterMinor: h.balance[account], AccountSeq: h.seq[account]}
}

func (h *history) next() {
	c := h.customers[h.random.IntN(len(h.customers))]
	other := h.customers[h.random.IntN(len(h.customers))]
	amount := h.random.Int64N(1000)
	e := event.EntryPosted{Envelope: h.envelope(c), Category: "food"}
	switch kind := h.random.IntN(6); {
	case kind == 0:
		hold := event.HoldPlaced{Envelope: e.Envelope, AccountID: c + ".main", AmountMinor: amount, Currency: "EUR"}
		h.holds = append(h.holds, hold)
		h.add(&hold)
		return
	case kind == 1 && len(h.holds) > 0:
		hold := h.holds[0]
		h.holds = h.holds[1:]
		e.CustomerID, e.Kind, e.HoldAmountMinor = hold.CustomerID, event.EntryCardPurchase, hold.AmountMinor
		e.Legs = []event.Leg{h.leg(hold.AccountID, -hold.AmountMinor), h.leg("@world.0.EUR", hold.AmountMinor)}
	case kind == 2 && other != c:
		e.Kind = event.EntryTransfer
		e.Legs = []event.Leg{h.leg(c+".main", -amount), h.leg(other+".main", amount)}
	case kind == 3 && len(h.posted) > 0:
		of := h.posted[h.random.IntN(len(h.posted))]
		e.CustomerID, e.Kind, e.Reverses, e.ReversesKind = of.CustomerID, event.EntryReversal, of.EventID, of.Kind
		for _, l := range of.Legs {
			e.Legs = append(e.Legs, h.leg(l.AccountID, -l.AmountMinor))
		}
	case kind == 4:
		h.add(&event.CommandRejected{Envelope: e.Envelope, Command: "PostEntry", Reason: "INSUFFICIENT_FUNDS"})
		return
	default:
		e.Kind = event.EntryCardPurchase
		e.Legs = []event.Leg{h.leg(c+".main", -amount), h.leg("@world.0.EUR", amount)}
	}
	h.posted = append(h.posted, e)
	h.add(&e)
}

// write commits the facts in transactions of a few, with aborted ones between them.
func (h *history) write() {
	h.t.Helper()
	var records []fake.Record
	for i, fact := range h.facts {
		name := "bank." + strings.TrimPrefix(fmt.Sprintf("%T", fact), "*event.")
		encoder, err := h.codec.Encoder(h.t.Context(), topic.Transactions, name)
		if err != nil {
			h.t.Fatal(err)
		}
		value, err := encoder.Append(nil, fact)
		if err != nil {
			h.t.Fatal(err)
		}
		records = append(records, fake.Record{Topic: topic.Transactions, Value: value})
		if h.random.IntN(5) == 0 || i == len(h.facts)-1 {
			h.broker.Commit(records...)
			if h.random.IntN(3) == 0 {
				h.broker.Abort(records[:1]...)
			}
			records = nil
		}
	}
}

// read returns what is committed, from the log itself.
func (h *history) read() (records []*timeline.Record) {
	h.t.Helper()
	spans := map[int32]timeline.Span{0: {Start: 0, End: h.broker.Ends(topic.Transactions)[0]}}
	err := timeline.Scan(h.t.Context(), h.broker.Cluster, topic.Transactions, spans, func(b timeline.Batch) error {
		records = append(records, b.Records...)
		return nil
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return records
}

// prefix folds records and returns the rows of each customer.
func (h *history) prefix(d *projection.Definition, records []*timeline.Record) map[string]map[string]string {
	h.t.Helper()
	s := memory.NewStore()
	o, err := engine.NewOffline(d, h.codec, s, 0, 1000)
	if err != nil {
		h.t.Fatal(err)
	}
	if len(records) > 0 {
		last := records[len(records)-1].Offset + 1
		if err := errors.Join(o.Fold(timeline.Batch{Topic: d.Topic, Records: records, Next: last, End: last}), o.Save()); err != nil {
			h.t.Fatal(err)
		}
	}
	rows := make(map[string]map[string]string)
	for _, c := range h.customers {
		rows[c] = make(map[string]string)
	}
	_ = s.Scan(0, nil, nil, func(key, value []byte) bool {
		customer, _ := trail.Of(projection.DecodeKey(string(key)).Partition)
		rows[customer][string(key)] = string(value)
		return true
	})
	return rows
}

// rows returns the rows of a customer as they were.
func (h *history) rows(e *engine.Engine, name, customer string, m engine.Moment) map[string]string {
	h.t.Helper()
	v, err := e.View(h.t.Context(), engine.Query{Projection: name, Key: customer, AsOf: &m})
	if err != nil {
		h.t.Fatal(err)
	}
	defer v.Close()
	if v.Scanned {
		h.t.Errorf("%s of %s was scanned", name, customer)
	}
	rows := make(map[string]string)
	for _, partition := range []string{customer, customer + ".main", customer + ".main/months", customer + ".main/open"} {
		err := v.Scan(partition, "", "", func(k projection.Key, value []byte) bool {
			rows[string(k.Encode())] = string(value)
			return true
		})
		if err != nil {
			h.t.Fatal(err)
		}
	}
	return rows
}

// await waits until the trail of the partition is here.
func (h *history) await(e *engine.Engine) {
	h.t.Helper()
	end := h.broker.Ends(topic.Transactions)[0]
	for _, name := range []string{trail.Name, balances.Name, spending.Name} {
		until(h.t, name+" is folded", func() bool {
			v, err := e.View(h.t.Context(), engine.Query{Projection: name})
			if err != nil {
				return false
			}
			defer v.Close()
			return v.Next >= end
		})
	}
}

func catalogue() []*projection.Definition {
	return []*projection.Definition{trail.Definition(), balances.Definition(), spending.Definition()}
}

// LG-20: every row of every customer, at every position and time, is what a fold of all records up to then
// gives: at the very time of a record, between two, before the account was opened, and after the last.
func TestLG20AsOfIsAFoldOfThePrefix(t *testing.T) {
	h := newHistory(t, 60)
	e, stop := h.run(memory.New(), catalogue()...)
	defer stop()
	h.await(e)
	records := h.read()
	if len(records) != len(h.at) {
		t.Fatalf("got %d records, want %d", len(records), len(h.at))
	}
	for _, d := range catalogue() {
		for i := range len(records) + 1 {
			want := h.prefix(d, records[:i])
			moments := []engine.Moment{{Position: h.broker.Ends(topic.Transactions)[0]}}
			if i < len(records) {
				moments = []engine.Moment{{Position: records[i].Offset}, {Time: h.at[i].Add(-time.Microsecond)}}
			}
			if i > 0 {
				moments = append(moments, engine.Moment{Position: records[i-1].Offset + 1}, engine.Moment{Time: h.at[i-1]}, engine.Moment{Time: h.at[i-1].Add(3 * time.Hour)})
			}
			c := h.customers[i%len(h.customers)]
			for _, m := range moments {
				if got := h.rows(e, d.Name, c, m); !maps.Equal(got, want[c]) {
					t.Fatalf("%s of %s at %+v: got rows %q, want %q", d.Name, c, m, got, want[c])
				}
			}
		}
	}
}

func TestAsOfKnowsNoFuture(t *testing.T) {
	h := newHistory(t, 3)
	e, stop := h.run(memory.New(), catalogue()...)
	defer stop()
	h.await(e)
	for want, m := range map[error]engine.Moment{
		engine.ErrFuture: {Time: time.Now().Add(time.Hour)},
		engine.ErrBehind: {Position: h.broker.Ends(topic.Transactions)[0] + 1},
	} {
		if _, err := e.View(t.Context(), engine.Query{Projection: balances.Name, Key: "c1", AsOf: &m}); !errors.Is(err, want) {
			t.Errorf("got %v, want %v", err, want)
		}
	}
}

// Where there is no trail, of the bank's own accounts or in a catalog without it, the partition is read.
func TestAsOfWithoutATrailReadsThePartition(t *testing.T) {
	h := newHistory(t, 20)
	e, stop := h.run(memory.New(), balances.Definition())
	defer stop()
	until(t, "balances are here", func() bool {
		v, err := e.View(t.Context(), engine.Query{Projection: balances.Name})
		if err == nil {
			v.Close()
		}
		return err == nil
	})
	records := h.read()
	c := h.customers[0]
	want := h.prefix(balances.Definition(), records[:10])[c]
	v, err := e.View(t.Context(), engine.Query{Projection: balances.Name, Key: c, AsOf: &engine.Moment{Position: records[10].Offset}})
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	got, err := v.Load(balances.AccountKey(c + ".main"))
	if row := want[string(balances.AccountKey(c+".main").Encode())]; err != nil || !v.Scanned || string(got) != row {
		t.Errorf("got %q, scanned %t, %v, want %q", got, v.Scanned, err, row)
	}
}

// Why tells every event that touched a row, newest first, whether it changed it, page by page.
func TestWhyTellsWhatMadeARow(t *testing.T) {
	h := newHistory(t, 60)
	e, stop := h.run(memory.New(), catalogue()...)
	defer stop()
	h.await(e)
	c := h.customers[1]
	key := balances.AccountKey(c + ".main")
	var want []int64
	last := ""
	records := h.read()
	for i, rec := range records {
		row := h.prefix(balances.Definition(), records[:i+1])[c][string(key.Encode())]
		if row != last {
			want = append(want, rec.Offset)
		}
		last = row
	}
	slices.Reverse(want)
	q := engine.WhyQuery{Query: engine.Query{Projection: balances.Name, Key: key.Partition}, Sort: key.Sort, Limit: 3}
	var got []int64
	for more := true; more; {
		a, err := e.Why(context.Background(), q)
		if err != nil {
			t.Fatal(err)
		}
		text, _ := balances.Definition().Text([]byte(last))
		if a.Row != text || a.Scanned || a.Next != h.broker.Ends(topic.Transactions)[0] {
			t.Errorf("got row %s at %d, scanned %t, want %s", a.Row, a.Next, a.Scanned, text)
		}
		for _, cause := range a.Causes {
			got = append(got, cause.Offset)
			if cause.ID == "" || cause.RecordedAt.IsZero() || !strings.HasPrefix(cause.Event, "bank.") {
				t.Errorf("got %+v", cause)
			}
			q.Below = cause.Offset
		}
		more = a.Earlier
	}
	if !slices.Equal(got, want) {
		t.Errorf("got causes %v, want %v", got, want)
	}
}
