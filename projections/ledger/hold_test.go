package ledger

import (
	"errors"
	"reflect"
	"testing"

	"github.com/refold/refold/schemas/event"
)

// The facts of this test: a hold of 30 that has the key "h", and what ends it.
const due = event.Micros(90 * Minute)

func holdOf(key string, amount int64) *event.HoldPlaced {
	return &event.HoldPlaced{
		Envelope: event.Envelope{IdempotencyKey: key}, AccountID: "c1.a", AmountMinor: amount, Currency: "EUR", ExpiresAt: due, Merchant: "m",
	}
}

func released(key string, amount int64) *event.HoldReleased {
	return &event.HoldReleased{AccountID: "c1.a", HoldID: id(key), AmountMinor: amount, ExpiresAt: due}
}

func expired(key string, amount int64) *event.HoldExpired {
	return &event.HoldExpired{AccountID: "c1.a", HoldID: id(key), AmountMinor: amount, ExpiresAt: due}
}

func captured(key string, amount, taken, seq, left int64) *event.EntryPosted {
	e := post("c1.a", -taken, left, seq, -left, seq)
	e.HoldID, e.HoldAmountMinor, e.HoldExpiresAt = id(key), amount, due
	return e
}

// late adds an event at the time at which holds are due.
func (l *log) late(f fact) error {
	return l.add(f, func(e *event.Envelope) { e.RecordedAt = due })
}

func TestHoldsAddUp(t *testing.T) {
	l := newLog(t)
	l.must(open("c1.a"))
	l.must(post("c1.a", 100, 100, 1, -100, 1))
	for key, amount := range map[string]int64{"h": 30, "i": 20, "j": 10, "k": 5} {
		l.must(holdOf(key, amount))
	}
	if a := l.row(AccountKey("c1.a")).Account; a.HeldMinor != 65 || len(a.Holds) != 4 {
		t.Errorf("got %+v, want 65 held by 4", a)
	}
	want := &Index{Times: []IndexTime{{At: 0, Count: 4}}}
	if got := l.row(DaysKey(DueHolds)).Index; !reflect.DeepEqual(got, want) {
		t.Errorf("days: got %+v, want %+v", got, want)
	}
	l.must(captured("h", 30, 25, 2, 75))
	l.must(released("i", 20))
	if err := l.late(expired("j", 10)); err != nil {
		t.Fatal(err)
	}
	a := l.row(AccountKey("c1.a")).Account
	if a.HeldMinor != 5 || len(a.Holds) != 1 || a.Holds[0] != (OpenHold{ID: id("k"), AmountMinor: 5, ExpiresAt: due}) || a.BalanceMinor != 75 {
		t.Errorf("got %+v, want 5 held by k", a)
	}
	for key, want := range map[string]string{"h": Captured, "i": Released, "j": Expired, "k": Open} {
		if h := l.row(HoldKey("c1.a", id(key))).Hold; h.Ended != want || h.Merchant != "m" || h.Currency != "EUR" {
			t.Errorf("%s: got %+v, want %q", key, h, want)
		}
	}
	want = &Index{Times: []IndexTime{{At: due, Count: 1}}}
	if got := l.row(DayKey(DueHolds, due)).Index; !reflect.DeepEqual(got, want) {
		t.Errorf("minutes: got %+v, want %+v", got, want)
	}
	want = &Index{Items: []Item{{AccountID: "c1.a", ID: id("k"), At: due}}}
	if got := l.row(MinuteKey(DueHolds, due)).Index; !reflect.DeepEqual(got, want) {
		t.Errorf("holds: got %+v, want %+v", got, want)
	}
}

func TestHoldThatDoesNotFollowIsRefused(t *testing.T) {
	other := func(f *event.HoldReleased) *event.HoldReleased { f.AccountID = "c1.b"; return f }
	for name, facts := range map[string][]fact{
		"placed twice":             {holdOf("h", 30), holdOf("h", 30)},
		"of nothing":               {holdOf("h", 0)},
		"of a frozen account":      {&event.AccountFrozen{AccountID: "c1.a"}, holdOf("h", 1)},
		"released before":          {released("h", 30)},
		"released twice":           {holdOf("h", 30), released("h", 30), released("h", 30)},
		"of another amount":        {holdOf("h", 30), released("h", 29)},
		"captured when released":   {holdOf("h", 30), released("h", 30), captured("h", 30, 1, 2, 99)},
		"released when captured":   {holdOf("h", 30), captured("h", 30, 1, 2, 99), released("h", 30)},
		"captured and never there": {captured("h", 30, 1, 2, 99)},
		"expires too early":        {holdOf("h", 30), expired("h", 30)},
		"of another account":       {holdOf("h", 30), other(released("h", 30))},
		"of a closed account":      {post("c1.a", -100, 0, 2, 0, 2), holdOf("h", 30), &event.AccountClosed{AccountID: "c1.a"}},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLog(t)
			l.must(open("c1.a"))
			l.must(post("c1.a", 100, 100, 1, -100, 1))
			last := len(facts) - 1
			for _, f := range facts[:last] {
				l.must(f)
			}
			if err := l.add(facts[last], nil); !errors.Is(err, ErrBroken) {
				t.Errorf("got error %v, want ErrBroken", err)
			}
		})
	}
}
