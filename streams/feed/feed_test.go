package feed_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/refold/refold/streams/fake"
	"github.com/refold/refold/streams/feed"
	"github.com/refold/refold/streams/topic"
)

var (
	errEnough = errors.New("enough")
	errGone   = errors.New("the broker is gone")
)

func open(t *testing.T, b *fake.Broker) *feed.Feed {
	t.Helper()
	f, err := feed.Open(b.Cluster, topic.Acts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.Close)
	return f
}

// follow returns the first n records from an offset.
func follow(t *testing.T, f *feed.Feed, from int64, n int) (values []string) {
	t.Helper()
	err := f.Follow(t.Context(), from, func(offset int64, key, value []byte) error {
		values = append(values, fmt.Sprintf("%d:%s=%s", offset, key, value))
		if len(values) == n {
			return errEnough
		}
		return nil
	})
	if !errors.Is(err, errEnough) {
		t.Fatal(err)
	}
	return values
}

func TestEveryoneReadsTheSameOrder(t *testing.T) {
	b := fake.New(t, 1)
	one, two := open(t, b), open(t, b)
	var writers sync.WaitGroup
	for i, f := range []*feed.Feed{one, two} {
		writers.Add(1)
		go func() {
			defer writers.Done()
			for n := range 20 {
				if _, err := f.Append(t.Context(), fmt.Append(nil, i), fmt.Append(nil, n)); err != nil {
					t.Error(err)
				}
			}
		}()
	}
	got := follow(t, one, 0, 40)
	writers.Wait()
	if again := follow(t, two, 0, 40); fmt.Sprint(again) != fmt.Sprint(got) {
		t.Errorf("got %v and %v", got, again)
	}
	if end, err := one.End(t.Context()); end != 40 || err != nil {
		t.Errorf("got end %d, %v, want 40", end, err)
	}
}

func TestAppendTellsTheOffset(t *testing.T) {
	f := open(t, fake.New(t, 1))
	for want := range int64(3) {
		if got, err := f.Append(t.Context(), nil, []byte("x")); got != want || err != nil {
			t.Errorf("got %d, %v, want %d", got, err, want)
		}
	}
	if got, want := fmt.Sprint(follow(t, f, 2, 1)), "[2:=x]"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestFollowEndsWithItsContext(t *testing.T) {
	f := open(t, fake.New(t, 1))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- f.Follow(ctx, 0, func(int64, []byte, []byte) error { return nil }) }()
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
}

// What was asked of a broker that is gone since may be there or not. Who appends does not wait for it longer than it
// wants to.
func TestAppendEndsWithItsContext(t *testing.T) {
	b := fake.New(t, 1)
	f := open(t, b)
	asked := make(chan struct{}, 1)
	b.Faults().ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
		b.Faults().KeepControl()
		select {
		case asked <- struct{}{}:
		default:
		}
		return nil, errGone, true // which closes the connection
	})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() {
		_, err := f.Append(ctx, nil, []byte("x"))
		ended <- err
	}()
	<-asked
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
}
