package transactions

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/refold/refold/projections/ledger"
	"github.com/refold/refold/schemas/event"
	"github.com/refold/refold/streams/journal"
)

// timed is a bank of one partition with a clock that is set by hand and an account of 100.
func timed(t *testing.T) (*instance, *clock) {
	t.Helper()
	var c clock
	c.at.Store(int64(noon))
	i := newBank(t, 1).start(func(cfg *journal.Config[*Command, Outcome]) { cfg.Clock = c.now })
	i.open("c1.main")
	i.posted(deposit("c1.main", "d", 100))
	return i, &c
}

func (c *clock) passes(d time.Duration) { c.at.Add(d.Microseconds()) }

// short places a hold of 80 that expires in 10 seconds.
func (i *instance) short(key string) string {
	r := holdRequest("c1.main", key, 80)
	r.ExpiresAt = timestamppb.New(noon.Time().Add(10 * time.Second))
	return i.held(r)
}

func (i *instance) capture(hold string, amount int64) error {
	_, err := i.CaptureHold(i.bank.t.Context(), captureRequest("c1.main", i.key(), hold, amount))
	return err
}

func (i *instance) release(hold string) error {
	_, err := i.ReleaseHold(i.bank.t.Context(), releaseRequest("c1.main", i.key(), hold))
	return err
}

func (i *instance) withdraw(amount int64) error {
	_, err := i.post(withdrawal("c1.main", i.key(), amount))
	return err
}

func TestLG11OneCaptureAndTheRestIsReleased(t *testing.T) {
	i, _ := timed(t)
	hold := i.held(holdRequest("c1.main", "h", 100))
	for n, step := range []struct {
		err  error
		want string
	}{
		{i.withdraw(1), ReasonInsufficientFunds}, {i.capture(hold, 60), ""}, {i.capture(hold, 40), ReasonHoldCaptured},
		{i.release(hold), ReasonHoldCaptured}, {i.withdraw(40), ""}, {i.withdraw(1), ReasonInsufficientFunds},
	} {
		if got := reasonOf(t, step.err); got != step.want {
			t.Errorf("step %d: got %q, want %q", n, got, step.want)
		}
	}
}

func TestLG12CaptureAndReleaseAtOnce(t *testing.T) {
	i, _ := timed(t)
	for n := range 10 {
		hold := i.held(holdRequest("c1.main", fmt.Sprint("h", n), 10))
		var captured, released error
		var wg sync.WaitGroup
		wg.Go(func() { captured = i.capture(hold, 1) })
		wg.Go(func() { released = i.release(hold) })
		wg.Wait()
		got := reasonOf(t, captured) + "/" + reasonOf(t, released)
		if got != ReasonHoldReleased+"/" && got != "/"+ReasonHoldCaptured {
			t.Errorf("got %q, want one of the two to win", got)
		}
	}
}

func TestLG13ExpiryAndCaptureRace(t *testing.T) {
	i, clock := timed(t)
	hold := i.short("h")
	clock.passes(10*time.Second - 5*time.Microsecond)
	var wg sync.WaitGroup
	captures := make([]error, 3)
	wg.Go(i.swept)
	for n := range captures {
		wg.Go(func() {
			if n == 1 {
				clock.passes(time.Second)
			}
			captures[n] = i.capture(hold, 80)
		})
	}
	wg.Wait()
	ends := 0
	i.bank.read(func(_ *kgo.Record, f fact) {
		switch e := f.(type) {
		case *event.HoldExpired:
			ends++
		case *event.EntryPosted:
			if e.HoldID == "" {
				return
			}
			if ends++; e.RecordedAt >= e.HoldExpiresAt {
				t.Errorf("it was captured at %d and expired at %d", e.RecordedAt, e.HoldExpiresAt)
			}
		}
	})
	accepted := 0
	for _, err := range captures {
		if reasonOf(t, err) == "" {
			accepted++
		}
	}
	if ends != 1 || accepted > 1 {
		t.Errorf("the hold ended %d times, and was captured %d times, want once, and at most once", ends, accepted)
	}
}

// swept lets expire what is due, as the service does every second.
func (i *instance) swept() {
	if _, err := i.cfg.Journal.Submit(i.bank.t.Context(), 0, newSweep()); err != nil {
		i.bank.t.Error(err)
	}
}

func TestLG14CaptureOfAnExpiredHold(t *testing.T) {
	i, clock := timed(t)
	hold := i.short("h")
	clock.passes(10 * time.Second)
	if got := reasonOf(t, i.capture(hold, 80)); got != ReasonHoldExpired {
		t.Errorf("got %q, want %s", got, ReasonHoldExpired)
	}
	if got := reasonOf(t, i.withdraw(100)); got != "" {
		t.Errorf("got %q, want all of it available", got)
	}
}

func TestLG15WhatIsHeldIsNotSpent(t *testing.T) {
	i, _ := timed(t)
	hold := i.held(holdRequest("c1.main", "h", 80))
	if got := reasonOf(t, i.withdraw(30)); got != ReasonInsufficientFunds {
		t.Errorf("got %q, want %s", got, ReasonInsufficientFunds)
	}
	if got := reasonOf(t, i.withdraw(20)); got != "" {
		t.Errorf("got %q, want what is available", got)
	}
	if got := reasonOf(t, i.capture(hold, 80)); got != "" {
		t.Errorf("got %q, want what is held", got)
	}
}

func TestHoldsExpireWithoutTraffic(t *testing.T) {
	i, clock := timed(t)
	i.open("c2.main")
	i.posted(deposit("c2.main", "d", 100))
	i.short("h")
	later := i.held(holdRequest("c2.main", "later", 5))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- i.ExpireHolds(ctx) }()
	clock.passes(10 * time.Second)
	i.until(func() bool { return i.bank.recordsOf(expiryKey+event.ID("c1", "h")) == 1 })
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	i.bank.read(func(rec *kgo.Record, f fact) {
		e, ok := f.(*event.HoldExpired)
		if ok && (e.HoldID == later || e.AmountMinor != 80 || e.Principal != platform || e.CustomerID != "c1" || string(rec.Key) != "c1") {
			t.Errorf("got %+v, want the expiry of the other one", e)
		}
	})
}

func TestSweepTakesWhatIsDue(t *testing.T) {
	i, clock := timed(t)
	const customers = maxExpiries/maxHolds + 2
	for n := range customers {
		account := fmt.Sprintf("x%d.many", n)
		i.open(account)
		i.posted(deposit(account, "d", maxHolds))
		var wg sync.WaitGroup
		for h := range maxHolds {
			r := holdRequest(account, fmt.Sprint("h", h), 1)
			r.ExpiresAt = timestamppb.New(noon.Time().Add(time.Duration(h+1) * time.Hour))
			wg.Go(func() { i.held(r) })
		}
		wg.Wait()
	}
	expired := func() int {
		n := 0
		i.bank.read(func(_ *kgo.Record, f fact) {
			if _, ok := f.(*event.HoldExpired); ok {
				n++
			}
		})
		return n
	}
	i.swept()
	clock.passes(50 * time.Hour)
	i.swept()
	if got, want := expired(), 50*customers; got != want {
		t.Errorf("after 50 hours: got %d, want %d", got, want)
	}
	clock.passes(60 * time.Hour)
	i.swept()
	if got, want := expired(), maxHolds*customers; got != want {
		t.Errorf("in the end: got %d, want %d", got, want)
	}
	clock.passes(time.Hour)
	i.swept()
	if s := i.cfg.Journal.Status()[0]; s.Failures != 0 {
		t.Errorf("got %+v, want no failure", s)
	}
}

func TestDueStopsAtItsBound(t *testing.T) {
	rows := make(table)
	day, minute := noon-noon%dayOfTest, noon-noon%minuteOfTest
	rows[ledger.DaysKey(ledger.DueHolds)] = &ledger.Row{Index: &ledger.Index{Times: []ledger.IndexTime{{At: day, Count: 2 * maxExpiries}}}}
	rows[ledger.DayKey(ledger.DueHolds, noon)] = &ledger.Row{Index: &ledger.Index{Times: []ledger.IndexTime{{At: minute, Count: 2 * maxExpiries}}}}
	index := &ledger.Index{Items: []ledger.Item{{AccountID: "c1.main", ID: "not yet", At: noon + 1}}}
	for n := range 2 * maxExpiries {
		index.Items = append(index.Items, ledger.Item{AccountID: "c1.main", ID: fmt.Sprint(n), At: noon})
	}
	rows[ledger.MinuteKey(ledger.DueHolds, noon)] = &ledger.Row{Index: index}
	v := &view{now: noon, rows: rows}
	if got := v.due(); len(got) != maxExpiries || got[0].ID != "0" {
		t.Errorf("got %d holds, the first %v, want %d from 0 on", len(got), got[0], maxExpiries)
	}
}

const (
	dayOfTest    = event.Micros(24 * time.Hour / time.Microsecond)
	minuteOfTest = event.Micros(time.Minute / time.Microsecond)
)
