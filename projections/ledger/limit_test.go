package ledger

import (
	"errors"
	"testing"

	"github.com/refold/refold/schemas/event"
)

// spent is a debit of an account that counts to the limit of a day.
func spent(day, amount, after, seq int64) *event.EntryPosted {
	e := post("c1.a", -amount, after, seq, -after, seq)
	e.Legs[0].LimitDay = day
	return e
}

func limitedLog(t *testing.T) *log {
	t.Helper()
	l := newLog(t)
	opening := open("c1.a")
	opening.DailyLimitMinor, opening.TimeZone = 100, "Europe/Paris"
	l.must(opening)
	l.must(post("c1.a", 1000, 1000, 1, -1000, 1))
	return l
}

func (l *log) spent(day int64) int64 { return l.row(AccountKey("c1.a")).Account.Spent(day) }

func TestLimitCountsByDay(t *testing.T) {
	l := limitedLog(t)
	placed := holdOf("h", 40)
	placed.LimitDay = 5
	for n, step := range []struct {
		fact      fact
		day, want int64
	}{
		{spent(5, 30, 970, 2), 5, 30}, {placed, 5, 70}, {captured("h", 40, 25, 3, 945), 5, 55},
		{spent(0, 500, 445, 4), 5, 55}, {spent(6, 100, 345, 5), 6, 100},
	} {
		l.must(step.fact)
		if got := l.spent(step.day); got != step.want {
			t.Errorf("step %d: got %d, want %d", n, got, step.want)
		}
	}
	if a := l.row(AccountKey("c1.a")).Account; a.DailyLimitMinor != 100 || a.TimeZone != "Europe/Paris" || a.Spent(5) != 0 {
		t.Errorf("got %+v", a)
	}
}

func TestHoldOfAnotherDayIsNotGivenBack(t *testing.T) {
	l := limitedLog(t)
	placed := holdOf("h", 40)
	placed.LimitDay = 5
	l.must(placed)
	l.must(spent(6, 70, 930, 2))
	l.must(released("h", 40))
	if got := l.spent(6); got != 70 {
		t.Errorf("got %d, want 70", got)
	}
}

func TestMoreThanTheLimitIsRefused(t *testing.T) {
	l := limitedLog(t)
	l.must(spent(5, 100, 900, 2))
	if err := l.add(spent(5, 1, 899, 3), nil); !errors.Is(err, ErrBroken) {
		t.Errorf("got error %v, want ErrBroken", err)
	}
}
