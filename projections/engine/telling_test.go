package engine_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/refold/refold/projections/engine"
	"github.com/refold/refold/projections/projection"
	"github.com/refold/refold/projections/spending"
	"github.com/refold/refold/projections/trail"
	"github.com/refold/refold/schemas/event"
	"github.com/refold/refold/streams/topic"
)

// telling keeps what each customer spent in one row, which tells the sum to a row for each purchase. That one tells the
// customer, and fails where it is not told. The sum fails at amounts that are bad, after it has changed half of the row.
func telling(t *testing.T, poison *bad) *projection.Definition {
	t.Helper()
	type posted struct {
		CustomerID string `avro:"customer_id"`
		Legs       []struct {
			AmountMinor int64 `avro:"amount_minor"`
		} `avro:"legs"`
		sum int64 `avro:"-"`
	}
	d, err := projection.Define(spending.Name, 1, projection.Emit(topic.Transactions, event.NameEntryPosted,
		func(e *posted, k *projection.Keys) {
			e.sum = 0
			k.Add(e.CustomerID, "")
			k.Add(e.CustomerID, fmt.Sprint(-e.Legs[0].AmountMinor))
		},
		func(k projection.Key, r *spending.Row, e *posted, _ projection.Meta, out *projection.Effects) error {
			if r.Cells == nil {
				r.Cells = []spending.Cell{{Currency: "EUR"}}
			}
			n := -e.Legs[0].AmountMinor
			if k.Sort == "" {
				r.Cells[0].AmountMinor += n
				e.sum = r.Cells[0].AmountMinor
				if poison.is(n) {
					return errBad
				}
				return nil
			}
			if e.sum == 0 {
				return errors.New("untold")
			}
			r.Cells[0].AmountMinor = e.sum
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

// Where a row is parked, so are those that it does not tell any more. Each goes on by a retry, in any order, once the
// fold is mended: it is folded with those beside it, and comes out as in a replay. Why tells it with them, too.
func TestRowsThatTellEachOtherGoOn(t *testing.T) {
	for name, backwards := range map[string]bool{"as they were parked": false, "the other way round": true} {
		t.Run(name, func(t *testing.T) {
			b, poison, stores := newBank(t), new(bad), newShared(t)
			poison.set(13)
			e, stop := b.fragile(stores, trail.Definition(), telling(t, poison))
			defer stop()
			b.post(40)
			b.spent(e, 1)
			parked, err := e.Parked(spending.Name)
			if err != nil || len(parked) != 4 { // the sum of c3, and what is untold of 13, 23 and 33
				t.Fatalf("got %v parked", parked)
			}
			left, err := e.RetryParked(t.Context(), spending.Name, parked[1], "tester", "to see")
			if err != nil || len(left) != 1 || left[0].Reason != "untold" {
				t.Errorf("the same fold: got %v, %v", left, err)
			}
			poison.set()
			if backwards {
				slices.Reverse(parked)
			}
			for i, row := range parked {
				left, err := e.RetryParked(t.Context(), spending.Name, row, "tester", "it is mended")
				if err != nil || len(left) != 0 {
					t.Errorf("%q: got %v, %v", row.Key, left, err)
				}
				if i == 0 && !backwards {
					b.toldBut(map[int]int{3: 13}) // what others tell waits for them
				}
			}
			b.post(10)
			for sort, want := range map[string]string{"": "115 in 0", "13": "16 in 0", "33": "72 in 0", "43": "115 in 0"} {
				why, err := e.Why(t.Context(), engine.WhyQuery{
					Query: engine.Query{Projection: spending.Name, Partition: topic.Of("c3", partitions), Key: "c3"}, Sort: sort, Limit: 10,
				})
				b.must(err)
				key := projection.Key{Partition: "c3", Sort: sort}
				q := engine.Query{Projection: spending.Name, Partition: topic.Of("c3", partitions), MinOffset: b.broker.Ends(topic.Transactions)[topic.Of("c3", partitions)]}
				if got := b.stored(e, q, key); got != want || why.Row == "" || len(why.Causes) == 0 {
					t.Errorf("row %q: got %s, why %+v, want %s", sort, got, why, want)
				}
			}
			b.toldBut(nil)
			op, err := e.Start(t.Context(), spending.Name, "tester", "to compare")
			b.must(err)
			until(t, "the replay is verified", func() bool { return b.status(e, op).State == engine.Verified })
			if s := b.status(e, op); s.Verified.Differences != 0 {
				t.Errorf("a replay differs: %v", s.Differences)
			}
		})
	}
}
