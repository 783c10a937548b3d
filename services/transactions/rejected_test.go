package transactions

import (
	"crypto/sha256"
	"testing"

	"github.com/refold/refold/schemas/event"
)

// A rejection keeps the whole command, and its digest proves it.
func TestRejectionKeepsItsCommand(t *testing.T) {
	c := made(t, deposit("c1.main", "k", 1))
	got, ok := decide(seen(accounts{}), c).(*event.CommandRejected)
	if !ok {
		t.Fatalf("got %T, want it rejected", got)
	}
	if sum := sha256.Sum256(got.Content); event.CommandHash(sum[:16]) != c.hash {
		t.Errorf("the digest of %x is not that of the command", got.Content)
	}
}
