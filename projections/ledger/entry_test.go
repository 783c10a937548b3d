package ledger

import (
	"errors"
	"testing"

	"github.com/refold/refold/schemas/event"
)

// entry is an entry on account c1.a with an id.
func entry(id, kind string, amount, after, seq int64) *event.EntryPosted {
	e := post("c1.a", amount, after, seq, -after, seq)
	e.EventID, e.Kind = id, kind
	return e
}

func (l *log) entry(id string) Entry {
	l.t.Helper()
	row := l.row(EntryKey("c1", id))
	if row == nil || row.Entry == nil {
		l.t.Fatalf("there is no entry %s", id)
	}
	return *row.Entry
}

func TestEntriesKnowWhatBecameOfThem(t *testing.T) {
	l := newLog(t)
	l.must(open("c1.a"))
	l.must(entry("d", event.EntryDeposit, 100, 100, 1))
	l.must(entry("p", event.EntryCardPurchase, -50, 50, 2))
	for n, id := range []string{"r1", "r2"} {
		refund := entry(id, event.EntryRefund, 20, 70+20*int64(n), 3+int64(n))
		refund.RefundOf = "p"
		l.must(refund)
	}
	if got := l.entry("p"); got.RefundedMinor != 40 || got.ReversedBy != "" {
		t.Errorf("got %+v, want 40 refunded", got)
	}
	back := entry("b", event.EntryReversal, -20, 70, 5)
	back.Reverses, back.ReversesKind, back.RefundOf = "r2", event.EntryRefund, "p"
	l.must(back)
	if got := l.entry("p"); got.RefundedMinor != 20 {
		t.Errorf("got %+v, want 20 refunded", got)
	}
	if got := l.entry("r2"); got.ReversedBy != "b" {
		t.Errorf("got %+v, want it reversed by b", got)
	}
	if got := l.entry("d"); got != (Entry{IdempotencyKey: "key-2"}) {
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
	back.Reverses = "x"
	if err := l.add(back, nil); !errors.Is(err, ErrBroken) {
		t.Errorf("of an entry that is not there: got error %v, want ErrBroken", err)
	}
	l = newLog(t)
	l.must(open("c1.a"))
	l.must(entry("d", event.EntryDeposit, 100, 100, 1))
	back.Reverses = "d"
	l.must(back)
	again := entry("c", event.EntryReversal, -100, -100, 3)
	again.Reverses = "d"
	if err := l.add(again, nil); !errors.Is(err, ErrBroken) {
		t.Errorf("twice: got error %v, want ErrBroken", err)
	}
}
