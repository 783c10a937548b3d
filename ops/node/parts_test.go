package node

import (
	"context"
	"errors"
	"strings"
	"testing"
)

// A failure is told by Wait or, where nobody waited for it, by Close, and never by both.
func TestAFailureIsReportedOnce(t *testing.T) {
	broken := errors.New("broken")
	n := &Node{parts: newParts()}
	n.parts.start("one", func(context.Context) error { return broken })
	if err := n.Wait(t.Context()); !errors.Is(err, broken) || !strings.Contains(err.Error(), "one") {
		t.Errorf("got %v, want that part one is broken", err)
	}
	if err := n.Close(); err != nil {
		t.Errorf("reported again: %v", err)
	}

	n = &Node{parts: newParts()}
	if err := n.parts.fail("one", broken); err != nil {
		t.Errorf("got %v, want that the failure is kept for who waits", err)
	}
	if err := n.Close(); !errors.Is(err, broken) || strings.Count(err.Error(), "broken") != 1 {
		t.Errorf("got %v, want that part one is broken, once", err)
	}
}

func TestEveryFailureIsReported(t *testing.T) {
	n := &Node{parts: newParts()}
	for _, name := range []string{"one", "two"} {
		failed := make(chan struct{})
		n.parts.start(name, func(context.Context) error {
			defer close(failed)
			return errors.New("broken " + name)
		})
		<-failed
	}
	waited, closed := n.Wait(t.Context()), n.Close()
	for _, name := range []string{"one", "two"} {
		if n := strings.Count(waited.Error()+closed.Error(), "broken "+name); n != 1 {
			t.Errorf("part %s is reported %d times: %v; %v", name, n, waited, closed)
		}
	}
}

func TestAPartThatEndsIsAFailure(t *testing.T) {
	n := &Node{parts: newParts()}
	n.parts.start("one", func(context.Context) error { return nil })
	if err := n.Wait(t.Context()); err == nil || !strings.Contains(err.Error(), "one: it ended") {
		t.Errorf("got %v", err)
	}
	if err := n.Close(); err != nil {
		t.Errorf("reported again: %v", err)
	}
}

func TestAPartThatIsStoppedIsNone(t *testing.T) {
	n := &Node{parts: newParts()}
	n.parts.start("one", func(ctx context.Context) error {
		<-ctx.Done()
		return ctx.Err()
	})
	if err := n.Close(); err != nil {
		t.Errorf("got %v", err)
	}
}
