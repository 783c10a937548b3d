package journal

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"
)

// Who decides and commits holds a turn, and gives it back whatever comes of it.
func TestWritersTakeTurns(t *testing.T) {
	kafka, c := brokers(t, 3)
	var j *bench
	broken := errors.New("broken")
	j = startOn(t, kafka, c, func(c *config, s *set) {
		c.MaxCommits = 1
		s.before = func(command string) error {
			if got := len(j.turns); got != 1 {
				t.Errorf("turns taken while %s is decided: got %d, want 1", command, got)
			}
			if command == "c" {
				return broken
			}
			return nil
		}
	})
	j.until(func(Status) bool { return len(j.Status()) == 3 })
	for p := range int32(3) {
		for _, command := range []string{"a", "b", "b"} { // the last one appends nothing
			if _, err := j.Submit(t.Context(), p, command); err != nil {
				t.Errorf("partition %d: %s: %v", p, command, err)
			}
		}
		if _, err := j.Submit(t.Context(), p, "c"); !errors.Is(err, ErrUnavailable) {
			t.Errorf("partition %d: got %v, want %v", p, err, ErrUnavailable)
		}
	}
	j.until(func(Status) bool { return len(j.turns) == 0 })
}

// Nobody waits for a turn for longer than Patience.
func TestTurnThatDoesNotCome(t *testing.T) {
	b := start(t, func(c *config, _ *set) { c.MaxCommits, c.Patience = 1, time.Second }).serving()
	b.turns <- struct{}{} // somebody hangs
	if _, err := b.submit("a"); !errors.Is(err, ErrUnavailable) {
		t.Errorf("got %v, want %v", err, ErrUnavailable)
	}
	<-b.turns
	b.insist("a")
	b.wantLog("a")
}

// Who waits for its state holds no turn meanwhile.
func TestNoTurnIsHeldWhileTheStateIsWaitedFor(t *testing.T) {
	kafka, c := brokers(t, 2)
	hold, release := context.WithCancel(t.Context())
	waiting := make(chan struct{})
	waits := sync.OnceFunc(func() { close(waiting) })
	j := startOn(t, kafka, c, func(c *config, s *set) {
		c.MaxCommits = 1
		s.near = func(context.Context, int64) error {
			if s.partition == 0 {
				waits()
				<-hold.Done()
			}
			return nil
		}
	})
	j.until(func(Status) bool { return len(j.Status()) == 2 })
	late := make(chan error, 1)
	if err := j.Enqueue(0, "late", func(_ answer, err error) { late <- err }); err != nil {
		t.Fatal(err)
	}
	<-waiting
	if _, err := j.Submit(t.Context(), 1, "a"); err != nil {
		t.Error(err)
	}
	release()
	if err := <-late; err != nil && !errors.Is(err, ErrUnavailable) { // on a slow machine it was given up
		t.Error(err)
	}
	j.insist("late")
}
