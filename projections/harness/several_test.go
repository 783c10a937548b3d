package harness

import (
	"fmt"
	"strings"
	"testing"

	"github.com/refold/refold/projections/projection"
	"github.com/refold/refold/schemas/codec"
	"github.com/refold/refold/schemas/event"
	"github.com/refold/refold/streams/topic"
)

// ordered is a fold of two sources whose rows depend on the order of all events, and which tells of every one.
func ordered(t *testing.T) *projection.Definition {
	t.Helper()
	type named struct {
		Customer string `avro:"customer_id"`
		ID       string `avro:"event_id"`
	}
	keys := func(e *named, k *projection.Keys) { k.Add("all", ""); k.Add(e.Customer, "") }
	fold := func(mark string) func(projection.Key, *row, *named, projection.Meta, *projection.Effects) error {
		return func(k projection.Key, r *row, e *named, _ projection.Meta, out *projection.Effects) error {
			r.Count++
			r.Last += mark + e.ID + " "
			if k.Partition == "all" {
				out.Add(topic.Notifications, &event.NotificationRequested{
					Effect: event.Effect{CustomerID: e.Customer}, Kind: event.NotifyLowBalance, AccountID: mark + e.ID,
				})
			}
			return nil
		}
	}
	d, err := projection.Define("ordered", 1,
		projection.Emit(topic.Transactions, event.NameEntryPosted, keys, fold("e")).To(topic.Notifications, event.NameNotificationRequested),
		projection.Emit(topic.Transfers, event.NameAccountFrozen, keys, fold("f")).To(topic.Notifications, event.NameNotificationRequested))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// Events of two sources come in the order of their times, whatever the order of their topics.
func TestSeveralSources(t *testing.T) {
	var events strings.Builder
	at := []int{3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8}
	for i, n := range at {
		name, more := event.NameEntryPosted, `"kind": "FEE", "legs": []`
		if i%3 != 0 {
			name, more = event.NameAccountFrozen, `"reason": "none", "account_id": "a"`
		}
		fmt.Fprintf(&events, "%s {\"customer_id\": \"c%d\", \"recorded_at\": \"2024-01-01T00:00:%02dZ\", %s}\n", name, i%2, n, more)
	}
	d, c := ordered(t), codec.New(new(codec.Local))
	records := parse(t, c, topicsOf(d), events.String())
	r := newRun(d, c, 0)
	o := r.open(t)
	fold(t, o, records)
	save(t, o)
	// Entries are recorded at 3, 1, 2 and 3, the others at 1, 4, 5, 9, 6, 5, 5 and 8.
	want := "fevent-1 eevent-0 eevent-3 eevent-6 eevent-9 fevent-2 fevent-4 fevent-5 fevent-7 fevent-8 fevent-10 fevent-11 "
	if got := readable(t, r); !strings.Contains(got, want) {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	Run(t, d, c, records)
}
