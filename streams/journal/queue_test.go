package journal

import (
	"errors"
	"testing"
)

// A command that is queued while others are given up may be behind one of them: it is given up, too.
func TestNothingOvertakesWhatIsGivenUp(t *testing.T) {
	w := newWriter(&config{Topic: topicName, MaxQueue: 10, NewMachine: func(int32) Machine[string, answer] { return nil }}, nil, 0)
	var late []error
	push := func(done func(answer, error)) {
		if err := w.queue.push(&item[string, answer]{command: "c", done: done}); err != nil {
			t.Fatal(err)
		}
	}
	push(func(answer, error) {
		push(func(_ answer, err error) { late = append(late, err) })
	})
	push(func(answer, error) {})
	w.giveUp(ErrUnavailable)
	if len(late) != 1 || !errors.Is(late[0], ErrUnavailable) || w.queue.len() != 0 {
		t.Errorf("got %v and %d queued, want it unavailable and none", late, w.queue.len())
	}
}
