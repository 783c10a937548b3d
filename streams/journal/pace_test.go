package journal

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// Transactions begin one pace after the other, in the order in which they asked, and at once after a pause.
func TestPaceKeepsBeginningsApart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := &pace{every: time.Millisecond}
		start := time.Now()
		var begun []time.Duration
		for range 3 {
			if !p.wait(t.Context()) {
				t.Fatal("not waited for")
			}
			begun = append(begun, time.Since(start))
		}
		if want := []time.Duration{0, time.Millisecond, 2 * time.Millisecond}; !slices.Equal(begun, want) {
			t.Errorf("begun at %v, want %v", begun, want)
		}
		<-time.After(time.Second)
		again := time.Now()
		if p.wait(t.Context()); time.Since(again) != 0 {
			t.Errorf("after a pause it took %v, want to begin at once", time.Since(again))
		}
		ended, end := context.WithCancel(t.Context())
		end()
		if p.wait(ended) {
			t.Error("waited for its turn although it was to stop")
		}
	})
}

// Partitions keep the pace together, and one that fails keeps nobody's turn.
func TestCommitsKeepThePace(t *testing.T) {
	k := brokers(t, 2)
	const every, commands = 50 * time.Millisecond, 6
	j := startOn(t, k, func(c *config, s *set) {
		c.CommitEvery = every
		s.before = func(command string) error {
			if command == "broken" {
				return errors.New("broken")
			}
			return nil
		}
	})
	j.until(func(Status) bool { return len(j.Status()) == 2 })
	start := time.Now()
	for i := range int32(commands) {
		if _, err := j.Submit(t.Context(), i%2, string('a'+i)); err != nil {
			t.Fatal(err)
		}
	}
	if took := time.Since(start); took < (commands-1)*every {
		t.Errorf("%d transactions of two partitions took %v, want %v between their beginnings", commands, took, every)
	}
	if _, err := j.Submit(t.Context(), 0, "broken"); !errors.Is(err, ErrUnavailable) {
		t.Errorf("got %v, want %v", err, ErrUnavailable)
	}
	j.insist("z")
}
