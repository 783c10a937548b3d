package timeline_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/refold/refold/streams/fake"
	"github.com/refold/refold/streams/position"
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
	at := position.Partition{Topic: topic.Transactions}
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
	b.Trim(topic.Transactions, 0, 3)
	if got, err := picker(t, b).ReadAt(t.Context(), position.Partition{Topic: topic.Transactions}, []int64{1, 4}); !errors.Is(err, timeline.ErrHole) {
		t.Errorf("got %v, %v, want ErrHole", got, err)
	}
}

// The leader of a partition moves, is elected for a while, and goes.
func TestPicksFromWhoeverLeads(t *testing.T) {
	b := fake.New(t, 1)
	if _, _, err := b.Faults().AddNode(-1, 0); err != nil {
		t.Fatal(err)
	}
	b.Commit(records(0, 5)...)
	p := picker(t, b)
	pick := func(when string) {
		t.Helper()
		got, err := p.ReadAt(t.Context(), position.Partition{Topic: topic.Transactions}, []int64{3})
		if err != nil || len(got) != 1 || string(got[0].Value) != "3" {
			t.Errorf("%s: got %v, %v", when, got, err)
		}
	}
	pick("at first")
	leader := b.Faults().LeaderFor(topic.Transactions, 0)
	if err := b.Faults().MoveTopicPartition(topic.Transactions, 0, 1-leader); err != nil {
		t.Fatal(err)
	}
	pick("moved")
	b.Faults().Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Err: kerr.LeaderNotAvailable, Count: 8})
	pick("elected")
	b.Faults().ControlKey(kmsg.Fetch.Int16(), func(kmsg.Request) (kmsg.Response, error, bool) {
		return nil, errors.New("gone"), true
	})
	pick("gone and back")
	if err := b.Faults().RemoveNode(1 - leader); err != nil {
		t.Fatal(err)
	}
	pick("gone")
	ctx, cancel := context.WithCancel(t.Context())
	b.Faults().Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Err: kerr.LeaderNotAvailable, Count: -1, When: func(kmsg.Request) bool { cancel(); return true }})
	if _, err := p.ReadAt(ctx, position.Partition{Topic: topic.Transactions}, []int64{3}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want that the caller went", err)
	}
}

// Whoever has no more time does not wait for another one, who asks where the topic is and gets no answer.
func TestPicksEndWithTheirCallers(t *testing.T) {
	b := fake.New(t, 1)
	b.Commit(records(0, 1)...)
	asked, answering := make(chan struct{}, 1), make(chan struct{})
	defer close(answering)
	b.Faults().ControlKey(int16(kmsg.Metadata), func(kmsg.Request) (kmsg.Response, error, bool) {
		asked <- struct{}{}
		<-answering
		return nil, nil, false
	})
	p := picker(t, b)
	at := position.Partition{Topic: topic.Transactions}
	patient, give := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		_, err := p.ReadAt(patient, at, []int64{0})
		ended <- err
	}()
	<-asked
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	other := make(chan error, 1)
	go func() {
		_, err := p.ReadAt(ctx, at, []int64{0})
		other <- err
	}()
	select {
	case err := <-other:
		if !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want %v", err, context.Canceled)
		}
	case err := <-ended:
		t.Errorf("the one that is patient ended first: %v", err)
	case <-time.After(time.Minute):
		t.Error("it waits for the other one")
	}
	give()
}

// A span is read to its end, which may be a marker, with none of an aborted transaction; one that the log has not come to
// is a hole.
func TestReadsASpan(t *testing.T) {
	b := fake.New(t, 1)
	for i := range 20 {
		b.Abort(records(1000, 3)...)
		b.Commit(records(i*10, 10)...)
	}
	p, at := picker(t, b), position.Partition{Topic: topic.Transactions}
	end := b.Ends(topic.Transactions)[0]
	for _, s := range []timeline.Span{{Start: 0, End: end}, {Start: 9, End: 40}, {Start: 4, End: 5}, {Start: end - 1, End: end}, {Start: 7, End: 7}} {
		got, err := p.Read(t.Context(), at, s)
		if err != nil {
			t.Fatal(err)
		}
		want := 0
		for offset := s.Start; offset < s.End; offset++ {
			if of := offset % 15; of >= 4 && of < 14 { // three and a marker come before the ten of each turn, a marker after
				if want++; want > len(got) || got[want-1].Offset != offset {
					t.Fatalf("%v: got %d records, not the one at %d", s, len(got), offset)
				}
			}
		}
		if len(got) != want {
			t.Errorf("%v: got %d records, want %d", s, len(got), want)
		}
	}
	if _, err := p.Read(t.Context(), at, timeline.Span{Start: end, End: end + 3}); !errors.Is(err, timeline.ErrHole) {
		t.Errorf("beyond the end: got %v, want ErrHole", err)
	}
}
