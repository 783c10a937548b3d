package journal

import (
	"context"
	"errors"
	"testing"
	"time"
)

// Whatever the writer waits for, nobody waits for longer than Patience, and who was told something is told
// nothing else when the wait is over.
func TestNobodyWaitsForLongerThanPatience(t *testing.T) {
	hold, release := context.WithCancel(t.Context())
	b := start(t, func(c *config, s *set) {
		c.Patience = time.Second // within which the partition is taken, too
		s.before = func(string) error { <-hold.Done(); return nil }
	}).serving()
	told := make(chan error, 10)
	for _, command := range []string{"a", "b"} {
		if err := b.Enqueue(0, command, func(_ answer, err error) { told <- err }); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		select {
		case err := <-told:
			if !errors.Is(err, ErrUnavailable) {
				t.Errorf("got %v, want %v", err, ErrUnavailable)
			}
		case <-time.After(within):
			t.Fatal("it still waits")
		}
	}
	release()
	for _, command := range []string{"a", "b"} {
		b.insist(command)
	}
	if len(told) > 0 {
		t.Errorf("told again: %v", <-told)
	}
	if got := b.log(); len(got) != 2 {
		t.Errorf("log: got %q, want both values once", got)
	}
}

// Patience counts from when a command came, or from when the partition last told an outcome.
func TestPatienceCountsFromTheLastMove(t *testing.T) {
	w := newWriter(&config{Topic: topicName, Patience: time.Hour, MaxQueue: 10, NewMachine: func(int32) Machine[string, answer] { return nil }}, nil, 0)
	if got := w.left(); got != time.Hour {
		t.Errorf("nobody waits: got %v, want an hour", got)
	}
	came := time.Now().Add(-2 * time.Hour)
	if err := w.queue.push(&item[string, answer]{since: came, done: func(answer, error) {}}); err != nil {
		t.Fatal(err)
	}
	if got := w.left(); got > 0 {
		t.Errorf("one waits for two hours: got %v, want nothing", got)
	}
	w.own(w.queue.take(1))
	if got := w.left(); got > 0 {
		t.Errorf("and is decided: got %v, want nothing", got)
	}
	w.moved = time.Now()
	if got := w.left(); got < time.Minute {
		t.Errorf("others were answered meanwhile: got %v, want about an hour", got)
	}
	w.giveUp(ErrUnavailable)
	if got := w.left(); got != time.Hour {
		t.Errorf("nobody waits any more: got %v, want an hour", got)
	}
}
