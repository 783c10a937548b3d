package timeline_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/refold/refold/streams/fake"
	"github.com/refold/refold/streams/timeline"
	"github.com/refold/refold/streams/topic"
)

func records(from, n int) (out []fake.Record) {
	for i := range n {
		out = append(out, fake.Record{Topic: topic.Transactions, Value: []byte(fmt.Sprint(from + i))})
	}
	return out
}

func reader(t *testing.T, b *fake.Broker, from int64) (*timeline.Reader, context.Context) {
	t.Helper()
	r, err := timeline.NewReader(b.Cluster, timeline.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	r.Add(topic.Transactions, 0, from)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return r, ctx
}

// read reads until a position and returns the values.
func read(ctx context.Context, t *testing.T, r *timeline.Reader, until int64) (values []string) {
	t.Helper()
	for next := int64(0); next < until; {
		batches, err := r.Poll(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range batches {
			if b.Err != nil {
				t.Fatal(b.Err)
			}
			for _, rec := range b.Records {
				values = append(values, string(rec.Value))
			}
			next = b.Next
		}
	}
	return values
}

func TestReadsCommittedRecordsAndPassesMarkers(t *testing.T) {
	b := fake.New(t, 1)
	b.Commit(records(0, 2)...)
	b.Abort(records(100, 3)...)
	b.Commit(records(2, 1)...)
	end := b.Ends(topic.Transactions)[0]
	r, ctx := reader(t, b, 0)
	if got, want := fmt.Sprint(read(ctx, t, r, end)), "[0 1 2]"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	b.Abort(records(100, 1)...)
	if got := read(ctx, t, r, end+2); len(got) != 0 {
		t.Errorf("got %v of an aborted transaction", got)
	}
}

func TestReadsFromAnOffset(t *testing.T) {
	b := fake.New(t, 1)
	b.Commit(records(0, 5)...)
	r, ctx := reader(t, b, 3)
	if got, want := fmt.Sprint(read(ctx, t, r, 6)), "[3 4]"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestATrimmedLogIsAHole(t *testing.T) {
	b := fake.New(t, 1)
	b.Commit(records(0, 5)...)
	b.Trim(topic.Transactions, 0, 3)
	r, ctx := reader(t, b, 1)
	if err := firstError(ctx, t, r); !errors.Is(err, timeline.ErrHole) {
		t.Errorf("got %v, want %v", err, timeline.ErrHole)
	}
}

func TestALogMadeAgainIsAHole(t *testing.T) {
	b := fake.New(t, 1)
	b.Commit(records(0, 5)...)
	r, ctx := reader(t, b, 0)
	read(ctx, t, r, 6)
	b.MakeAgain(topic.Transactions, 1)
	if err := firstError(ctx, t, r); !errors.Is(err, timeline.ErrHole) {
		t.Errorf("got %v, want %v", err, timeline.ErrHole)
	}
}

func firstError(ctx context.Context, t *testing.T, r *timeline.Reader) error {
	t.Helper()
	for {
		batches, err := r.Poll(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range batches {
			if len(b.Records) > 0 {
				t.Fatalf("got record %d beyond the hole", b.Records[0].Offset)
			}
			if b.Err != nil {
				return b.Err
			}
		}
	}
}
