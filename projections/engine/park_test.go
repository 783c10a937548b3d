package engine_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/refold/refold/projections/engine"
	"github.com/refold/refold/projections/projection"
	"github.com/refold/refold/projections/spending"
	"github.com/refold/refold/projections/store"
	"github.com/refold/refold/projections/store/memory"
	"github.com/refold/refold/schemas/event"
	"github.com/refold/refold/streams/topic"
)

var errBad = errors.New("the amount is bad")

// bad are the amounts that a fold fails at.
type bad struct {
	mu      sync.Mutex
	amounts map[int64]bool
}

func (b *bad) set(amounts ...int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.amounts = make(map[int64]bool)
	for _, n := range amounts {
		b.amounts[n] = true
	}
}

func (b *bad) is(n int64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.amounts[n]
}

// fragile keeps what each customer spent and the months of all together, tells the customer, and fails at amounts
// that are bad, after it has changed half of the row.
func fragile(t *testing.T, version int64, poison *bad) *projection.Definition {
	t.Helper()
	type posted struct {
		CustomerID string `avro:"customer_id"`
		Legs       []struct {
			AmountMinor int64 `avro:"amount_minor"`
		} `avro:"legs"`
	}
	d, err := projection.Define(spending.Name, version, projection.Emit(topic.Transactions, event.NameEntryPosted,
		func(e *posted, k *projection.Keys) { k.Add("@bank", ""); k.Add(e.CustomerID, "") },
		func(k projection.Key, r *spending.Row, e *posted, _ projection.Meta, out *projection.Effects) error {
			n := -e.Legs[0].AmountMinor
			if r.Cells == nil {
				r.Cells = []spending.Cell{{Currency: "EUR"}}
			}
			r.Cells[0].AmountMinor += n
			if k.Partition == "@bank" {
				return nil
			}
			if poison.is(n) {
				return errBad
			}
			r.Cells[0].Entries++
			out.Add(topic.Notifications, &event.NotificationRequested{
				Effect: event.Effect{CustomerID: k.Partition}, Kind: event.NotifyLargePurchase, AmountMinor: n,
			})
			return nil
		}).To(topic.Notifications, event.NameNotificationRequested))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// fragile runs an engine with the fragile fold and returns when the projection is made.
func (b *bank) fragile(stores store.Stores, d ...*projection.Definition) (*engine.Engine, func()) {
	b.t.Helper()
	e, stop := b.run(stores, d...)
	until(b.t, "the projection is made", func() bool {
		live, _, err := e.Statuses(spending.Name)
		return err == nil && live > 0
	})
	return e, stop
}

// spent returns what a generation says of each customer when all is folded: the sum and the number of purchases, and
// whether the row is parked.
func (b *bank) spent(e *engine.Engine, generation int64) map[string]string {
	b.t.Helper()
	out := make(map[string]string)
	ends := b.broker.Ends(topic.Transactions)
	for c := range 10 {
		customer := fmt.Sprint("c", c)
		p := topic.Of(customer, partitions)
		out[customer] = b.row(e, engine.Query{Projection: spending.Name, Generation: generation, Partition: p, MinOffset: ends[p]}, customer)
	}
	return out
}

// row returns what one row says when all is folded.
func (b *bank) row(e *engine.Engine, q engine.Query, partitionKey string) string {
	b.t.Helper()
	return b.stored(e, q, projection.Key{Partition: partitionKey})
}

// stored is row for a row of any key.
func (b *bank) stored(e *engine.Engine, q engine.Query, key projection.Key) (line string) {
	b.t.Helper()
	row := mustRow(b.t)
	until(b.t, "the task is here", func() bool {
		v, err := e.View(b.t.Context(), q)
		if err != nil {
			if !errors.Is(err, engine.ErrNotHere) {
				b.t.Fatal(err)
			}
			return false
		}
		defer v.Close()
		stored, err := v.Load(key)
		if err != nil {
			b.t.Fatal(err)
		}
		line = "0 in 0"
		if stored != nil {
			var r spending.Row
			if _, err := projection.Decode(row, stored, &r); err != nil {
				b.t.Fatal(err)
			}
			line = fmt.Sprintf("%d in %d", r.Cells[0].AmountMinor, r.Cells[0].Entries)
		}
		if _, parked := v.ParkedSince(); parked {
			line += " parked"
		}
		return true
	})
	return line
}

// bankWide adds up what the rows of all partitions say that everyone spent.
func (b *bank) bankWide(e *engine.Engine) (sum int64) {
	b.t.Helper()
	for p, end := range b.broker.Ends(topic.Transactions) {
		var n, zero int64
		line := b.row(e, engine.Query{Projection: spending.Name, Partition: p, MinOffset: end}, "@bank")
		if _, err := fmt.Sscanf(line, "%d in %d", &n, &zero); err != nil {
			b.t.Fatal(err)
		}
		sum += n
	}
	return sum
}

// purchasesOf adds up what customers spend of n purchases, but for some customers from a purchase on.
func purchasesOf(n int, parked map[int]int) map[string]string {
	sum, entries := make(map[int]int64), make(map[int]int64)
	for i := 1; i <= n; i++ {
		if from, ok := parked[i%10]; !ok || i < from {
			sum[i%10] += int64(i)
			entries[i%10]++
		}
	}
	out := make(map[string]string)
	for c := range 10 {
		out[fmt.Sprint("c", c)] = fmt.Sprintf("%d in %d", sum[c], entries[c])
		if _, ok := parked[c]; ok {
			out[fmt.Sprint("c", c)] += " parked"
		}
	}
	return out
}

func same(t *testing.T, what string, got, want map[string]string) {
	t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%s:\ngot  %v\nwant %v", what, got, want)
	}
}

// A fold that fails parks its row, as it was before the event, whatever it had done to it. All others go on, of
// the same event too, the reader is told, and so it is after a restart and in a replay.
func TestAFoldThatFailsParksItsRow(t *testing.T) {
	b, poison, stores := newBank(t), new(bad), memory.New()
	poison.set(13, 24)
	d := fragile(t, 1, poison)
	e, stop := b.fragile(stores, d)
	for range 10 {
		b.post(7)
	}
	want := purchasesOf(b.n, map[int]int{3: 13, 4: 24})
	same(t, "live", b.spent(e, 1), want)
	live := b.status(e, engine.Operation(spending.Name, 1))
	if live.Parked != 2 || live.Err != nil || live.State != engine.Live {
		t.Errorf("got %d rows parked, state %d, %v", live.Parked, live.State, live.Err)
	}
	rows, err := e.Parked(spending.Name)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rows {
		if (r.Key.Partition != "c3" && r.Key.Partition != "c4") || r.Reason != errBad.Error() || r.Since.IsZero() || r.Row == "" {
			t.Errorf("got %+v", r)
		}
	}
	if got := b.bankWide(e); got != sumTo(b.n) {
		t.Errorf("rows of the same events: got %d, want %d", got, sumTo(b.n))
	}
	stop()

	poison.set() // a parked row stays so until somebody decides
	e, stop = b.run(stores, d)
	b.post(20)
	want = purchasesOf(b.n, map[int]int{3: 13, 4: 24})
	same(t, "after a restart", b.spent(e, 1), want)
	stop()

	poison.set(13, 24)
	e, stop = b.run(stores, d)
	defer stop()
	op, err := e.Start(t.Context(), spending.Name, "tester", "")
	b.must(err)
	until(t, "the replay is verified", func() bool { return b.status(e, op).State == engine.Verified })
	if s := b.status(e, op); s.Verified.Differences != 0 || s.Parked != 2 {
		t.Errorf("a replay differs in %d rows, and %d are parked: %v", s.Verified.Differences, s.Parked, s.Differences)
	}
	same(t, "a replay", b.spent(e, 2), want)
	b.toldBut(map[int]int{3: 13, 4: 24})
}

// toldBut waits until everyone is told of every purchase once, but some customers from a purchase on.
func (b *bank) toldBut(parked map[int]int) {
	b.t.Helper()
	want := make(map[string]int)
	for n := 1; n <= b.n; n++ {
		if from, ok := parked[n%10]; !ok || n < from {
			want[fmt.Sprintf("c%d of %d", n%10, n)] = 1
		}
	}
	until(b.t, "all others are told", func() bool { return len(b.told()) >= len(want) })
	if got := b.told(); fmt.Sprint(got) != fmt.Sprint(want) {
		b.t.Errorf("got %v told, want %v", got, want)
	}
}

// A replay in which other rows are parked differs in them.
func TestAParkedRowDiffers(t *testing.T) {
	b, poison := newBank(t), new(bad)
	poison.set(3)
	mended, stores := new(bad), memory.New()
	e, stop := b.fragile(stores, fragile(t, 1, poison))
	b.post(10)
	b.spent(e, 1)
	stop()
	e, stop = b.run(stores, fragile(t, 1, poison), fragile(t, 2, mended))
	defer stop()
	b.spent(e, 1) // the task is here
	op, err := e.Start(t.Context(), spending.Name, "tester", "")
	b.must(err)
	until(t, "the replay is verified", func() bool { return b.status(e, op).State == engine.Verified })
	s := b.status(e, op)
	if s.Verified.Differences != 1 || len(s.Differences) != 1 {
		t.Fatalf("got %d differences: %v", s.Verified.Differences, s.Differences)
	}
	if d := s.Differences[0]; d.Key.Partition != "c3" || d.Live != "" || d.Candidate == "" || len(d.Fields) != 2 {
		t.Errorf("got %+v", d)
	}
}

// A task whose list is full stands still as a whole.
func TestTooManyParkedRowsStopTheTask(t *testing.T) {
	b := newBank(t)
	d, err := projection.Define(spending.Name, 1, projection.On(topic.Transactions, event.NameEntryPosted,
		func(e *numbered, k *projection.Keys) { k.Add(fmt.Sprint("p", -e.Legs[0].AmountMinor), "") },
		func(projection.Key, *spending.Row, *numbered, projection.Meta) error { return errBad }))
	b.must(err)
	e, stop := b.fragile(memory.New(), d)
	defer stop()
	b.post(400)
	live := engine.Operation(spending.Name, 1)
	until(t, "it stands still", func() bool { return b.status(e, live).State == engine.Stuck })
	if s := b.status(e, live); !errors.Is(s.Err, errBad) {
		t.Errorf("got %v, want %v", s.Err, errBad)
	}
}

type numbered struct {
	Legs []struct {
		AmountMinor int64 `avro:"amount_minor"`
	} `avro:"legs"`
}
