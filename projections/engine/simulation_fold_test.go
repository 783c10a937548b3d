//go:build synctests

package engine_test

import (
	"fmt"
	"strconv"
	"testing"

	"github.com/refold/refold/projections/projection"
	"github.com/refold/refold/schemas/event"
	"github.com/refold/refold/streams/topic"
)

// simulated is the projection of the simulation. Its rows say in which order they were folded, and its effects which
// row they come of.
const simulated = "simulated"

// customers is how many there are.
const customers = 4

// simulatedRow is a row.
type simulatedRow struct {
	Count int64 `avro:"count"`
	Order int64 `avro:"order"`
}

// bought is what the fold reads of an event: its customer and its number.
type bought struct {
	CustomerID string `avro:"customer_id"`
	Legs       []struct {
		AmountMinor int64 `avro:"amount_minor"`
	} `avro:"legs"`
}

func (b *bought) number() int64 { return b.Legs[1].AmountMinor }

func (f *simulatedRow) add(number int64) {
	f.Count++
	f.Order = f.Order*31 + number
}

// everyone is the key of a row of the whole partition.
const everyone = "everyone"

// ofEveryone tells whether an event is of that row too.
func ofEveryone(number int64) bool { return number%3 == 0 }

// keysOf are the rows of an event: that of its customer, and now and then one of the whole partition.
func keysOf(customer string, number int64) []string {
	if ofEveryone(number) {
		return []string{customer, everyone}
	}
	return []string{customer}
}

// toldOf are who is told of an event by the fold of a row: some twice, some in another partition.
func toldOf(key string, number int64) []string {
	told := []string{key}
	if number%4 == 0 {
		told = append(told, key)
	}
	if number%5 == 0 {
		told = append(told, "auditor "+strconv.FormatInt(number%3, 10))
	}
	return told
}

func simulatedDefinition(t *testing.T, poison *poison) *projection.Definition {
	t.Helper()
	d, err := projection.Define(simulated, 1, projection.Emit(topic.Transactions, event.NameEntryPosted,
		func(e *bought, k *projection.Keys) {
			for _, key := range keysOf(e.CustomerID, e.number()) {
				k.Add(key, "")
			}
		},
		func(k projection.Key, f *simulatedRow, e *bought, _ projection.Meta, out *projection.Effects) error {
			f.add(e.number())
			if bad, _ := poison.fails(k.Partition, e.number()); bad {
				return fmt.Errorf("event %d is bad", e.number())
			}
			for _, who := range toldOf(k.Partition, e.number()) {
				out.Add(topic.Notifications, &event.NotificationRequested{
					Effect: event.Effect{CustomerID: who}, Kind: event.NotifyLargePurchase,
					AccountID: k.Partition, AmountMinor: e.number(), BalanceMinor: f.Order,
				})
			}
			return nil
		}).To(topic.Notifications, event.NameNotificationRequested))
	if err != nil {
		t.Fatal(err)
	}
	return d
}
