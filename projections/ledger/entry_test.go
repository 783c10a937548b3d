package ledger

import (
	"errors"
	"testing"

	"github.com/refold/refold/schemas/event"
)

// entry is an entry on account c1.a with a key, which makes its id.
func entry(key, kind string, amount, after, seq int64) *event.EntryPosted {
	e := post("c1.a", amount, after, seq, -after, seq)
	e.IdempotencyKey, e.Kind = key, kind
	return e
}

// id is the id of an event of customer c1.
func id(key string) string { return event.ID("c1", key) }

func (l *log) entry(key string) Entry {
	l.t.Helper()
	row := l.row(EntryKey("c1", id(key)))
	if row == nil || row.Entry == nil {
		l.t.Fatalf("there is no entry %s", key)
	}
	return *row.Entry
}

func TestEntriesKnowWhatBecameOfThem(t *testing.T) {
	l := newLog(t)
	l.must(open("c1.a"))
	l.must(entry("d", event.EntryDeposit, 100, 100, 1))
	l.must(entry("p", event.EntryCardPurchase, -50, 50, 2))
	for n, key := range []string{"r1", "r2"} {
		refund := entry(key, event.EntryRefund, 20, 70+20*int64(n), 3+int64(n))
		refund.RefundOf = id("p")
		l.must(refund)
	}
	if got := l.entry("p"); got.RefundedMinor != 40 || got.ReversedBy != "" {
		t.Errorf("got %+v, want 40 refunded", got)
	}
	back := entry("b", event.EntryReversal, -20, 70, 5)
	back.Reverses, back.ReversesKind, back.RefundOf = id("r2"), event.EntryRefund, id("p")
	l.must(back)
	if got := l.entry("p"); got.RefundedMinor != 20 {
		t.Errorf("got %+v, want 20 refunded", got)
	}
	if got := l.entry("r2"); got.ReversedBy != id("b") {
		t.Errorf("got %+v, want it reversed by b", got)
	}
	if got := l.entry("d"); got != (Entry{}) {
		t.Errorf("got %+v, want it untouched", got)
	}
	unknown := entry("r3", event.EntryRefund, 1, 71, 6)
	unknown.RefundOf = "of long ago"
	l.must(unknown)
}

func TestReversalThatDoesNotFollowIsRefused(t *testing.T) {
	l := newLog(t)
	l.must(open("c1.a"))
	l.must(entry("d", event.EntryDeposit, 100, 100, 1))
	back := entry("b", event.EntryReversal, -100, 0, 2)
	back.Reverses = id("x")
	if err := l.add(back, nil); !errors.Is(err, ErrBroken) {
		t.Errorf("of an entry that is not there: got error %v, want ErrBroken", err)
	}
	l = newLog(t)
	l.must(open("c1.a"))
	l.must(entry("d", event.EntryDeposit, 100, 100, 1))
	back.Reverses = id("d")
	l.must(back)
	again := entry("c", event.EntryReversal, -100, -100, 3)
	again.Reverses = id("d")
	if err := l.add(again, nil); !errors.Is(err, ErrBroken) {
		t.Errorf("twice: got error %v, want ErrBroken", err)
	}
}
