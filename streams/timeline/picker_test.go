package timeline_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/refold/refold/streams/fake"
	"github.com/refold/refold/streams/timeline"
	"github.com/refold/refold/streams/topic"
)

func picker(t *testing.T, b *fake.Broker) *timeline.Picker {
	t.Helper()
	p, err := timeline.NewPicker(b.Cluster)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// Records are picked out of many batches, near to each other and far, and none of an aborted transaction.
func TestPicksRecords(t *testing.T) {
	b := fake.New(t, 1)
	var offsets []int64
	var want []string
	end := int64(0)
	for i := range 40 {
		b.Abort(records(1000, 3)...)
		end += 4
		b.Commit(records(i*10, 10)...)
		for _, j := range []int{0, 7} {
			if i%13 < 3 {
				offsets = append(offsets, end+int64(j))
				want = append(want, fmt.Sprint(i*10+j))
			}
		}
		end += 11
	}
	p := picker(t, b)
	at := timeline.Place{Topic: topic.Transactions}
	got, err := p.ReadAt(t.Context(), at, offsets)
	if err != nil {
		t.Fatal(err)
	}
	var values []string
	for i, rec := range got {
		values = append(values, string(rec.Value))
		if rec.Offset != offsets[i] {
			t.Errorf("got offset %d, want %d", rec.Offset, offsets[i])
		}
	}
	if !slices.Equal(values, want) {
		t.Errorf("got %v, want %v", values, want)
	}
	for name, offset := range map[string]int64{"aborted": 0, "a marker": 3} {
		if got, err := p.ReadAt(t.Context(), at, []int64{offset}); !errors.Is(err, timeline.ErrHole) {
			t.Errorf("%s: got %v, %v, want ErrHole", name, got, err)
		}
	}
}

func TestPicksNothingBelowTheStartOfTheLog(t *testing.T) {
	b := fake.New(t, 1)
	b.Commit(records(0, 5)...)
	if err := b.Kafka.DeleteRecords(topic.Transactions, 0, 3); err != nil {
		t.Fatal(err)
	}
	if got, err := picker(t, b).ReadAt(t.Context(), timeline.Place{Topic: topic.Transactions}, []int64{1, 4}); !errors.Is(err, timeline.ErrHole) {
		t.Errorf("got %v, %v, want ErrHole", got, err)
	}
}
