package mailbox_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/refold/refold/streams/fake"
	"github.com/refold/refold/streams/mailbox"
	"github.com/refold/refold/streams/topic"
)

var errEnough = errors.New("enough")

func open(t *testing.T) *mailbox.Mailbox {
	t.Helper()
	return openAt(t, fake.New(t, 2))
}

func openAt(t *testing.T, b *fake.Broker) *mailbox.Mailbox {
	t.Helper()
	m, err := mailbox.Open(b.Cluster, topic.Transfers, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	return m
}

// follow returns the first n messages to a partition from an offset on.
func follow(t *testing.T, m *mailbox.Mailbox, partition int32, from int64, n int) (got []string) {
	t.Helper()
	err := m.Follow(t.Context(), partition, from, func(next int64, value []byte) error {
		if got = append(got, fmt.Sprintf("%s before %d", value, next)); len(got) == n {
			return errEnough
		}
		return nil
	})
	if !errors.Is(err, errEnough) {
		t.Fatal(err)
	}
	return got
}

func TestMessagesReachTheirPartitionInOrder(t *testing.T) {
	m := open(t)
	for n := range 4 {
		m.Send(int32(n%2), []byte("k"), fmt.Append(nil, "message ", n))
	}
	if got, want := follow(t, m, 1, 0, 2), []string{"message 1 before 1", "message 3 before 2"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := follow(t, m, 0, 1, 1), []string{"message 2 before 2"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// A position that the topic does not reach, because it was made anew, is no reason to wait for ever.
func TestAPositionThatIsNotThereBeginsAtTheFirst(t *testing.T) {
	m := open(t)
	m.Send(0, nil, []byte("first"))
	if got, want := follow(t, m, 0, 77, 1), []string{"first before 1"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// No message that is sent in its turn is lost because more wait than there is room for.
func TestMessagesInTurnWaitForRoom(t *testing.T) {
	const all = mailbox.MaxWaiting + 500
	b := fake.New(t, 2)
	m := openAt(t, b)
	answering := make(chan struct{})
	answer := sync.OnceFunc(func() { close(answering) })
	defer answer()
	b.Faults().ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
		b.Faults().KeepControl()
		<-answering
		return nil, nil, false
	})
	taken := make(chan error, 1)
	go func() {
		var err error
		for n := 0; n < all && err == nil; n++ {
			err = m.SendInTurn(t.Context(), 0, nil, fmt.Append(nil, n))
		}
		taken <- err
	}()
	select {
	case err := <-taken:
		t.Fatalf("%d messages are taken while none can be sent: %v", all, err)
	case <-time.After(100 * time.Millisecond): // time for what must not happen
	}
	answer()
	if err := <-taken; err != nil {
		t.Fatal(err)
	}
	got := follow(t, m, 0, 0, all)
	if want := fmt.Sprintf("%d before %d", all-1, all); got[all-1] != want {
		t.Errorf("the last one is %q, want %q", got[all-1], want)
	}
}

// A message that waits for room does so until its sender has no more time.
func TestMessagesInTurnWaitAsLongAsTheirSender(t *testing.T) {
	b := fake.New(t, 2)
	m := openAt(t, b)
	ctx, cancel := context.WithCancel(t.Context())
	answering := make(chan struct{})
	defer close(answering)
	b.Faults().ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
		<-answering
		return nil, nil, false
	})
	for range mailbox.MaxWaiting {
		m.Send(0, nil, nil)
	}
	waits := make(chan error, 1)
	go func() { waits <- m.SendInTurn(ctx, 0, nil, nil) }()
	cancel()
	if err := <-waits; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
}

// Messages are sent whatever becomes of a producer id: a client that was refused one once sends nothing ever after.
func TestMessagesNeedNoProducerID(t *testing.T) {
	b := fake.New(t, 2)
	b.Faults().ControlKey(int16(kmsg.InitProducerID), func(r kmsg.Request) (kmsg.Response, error, bool) {
		resp := r.ResponseKind().(*kmsg.InitProducerIDResponse)
		resp.ErrorCode = kerr.ProducerFenced.Code
		return resp, nil, true
	})
	m := openAt(t, b)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for b.Ends(topic.Transfers)[0] == 0 {
		if err := m.SendInTurn(ctx, 0, nil, []byte("a message")); err != nil {
			t.Fatal(err)
		}
	}
}
