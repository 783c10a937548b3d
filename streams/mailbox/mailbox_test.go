package mailbox_test

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"testing"

	"github.com/refold/refold/streams/fake"
	"github.com/refold/refold/streams/mailbox"
	"github.com/refold/refold/streams/topic"
)

var errEnough = errors.New("enough")

func open(t *testing.T) *mailbox.Mailbox {
	t.Helper()
	b := fake.New(t, 2)
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
