package transactions

import (
	"context"
	"testing"
	"time"

	"github.com/refold/refold/projections/ledger"
	"github.com/refold/refold/schemas/api/bankv1"
	"github.com/refold/refold/schemas/event"
	"github.com/refold/refold/streams/journal"
)

// limited is an account that may spend 1,000 a day in Paris and has spent something today.
func limited(spent int64) *ledger.Account {
	a := account(5000, 0, 1)
	a.DailyLimitMinor, a.TimeZone = 1000, "Europe/Paris"
	a.LimitDay, a.SpentMinor = day(noon, time.UTC), spent
	return a
}

func TestDayBeginsAtLocalMidnight(t *testing.T) {
	paris, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		"2024-01-31T22:59:59.999999Z": "2024-01-31", "2024-01-31T23:00:00Z": "2024-02-01",
		// The day of 23 hours.
		"2024-03-30T22:59:59.999999Z": "2024-03-30", "2024-03-30T23:00:00Z": "2024-03-31",
		"2024-03-31T21:59:59.999999Z": "2024-03-31", "2024-03-31T22:00:00Z": "2024-04-01",
		// The day of 25 hours.
		"2024-10-26T21:59:59.999999Z": "2024-10-26", "2024-10-26T22:00:00Z": "2024-10-27",
		"2024-10-27T22:59:59.999999Z": "2024-10-27", "2024-10-27T23:00:00Z": "2024-10-28",
	} {
		at, err := time.Parse(time.RFC3339Nano, text)
		if err != nil {
			t.Fatal(err)
		}
		if got := time.Unix(86_400*day(event.MicrosOf(at), paris), 0).UTC().Format(time.DateOnly); got != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
	}
}

func TestLG18WhatCountsToTheLimit(t *testing.T) {
	yesterday := limited(1000)
	yesterday.LimitDay--
	other := account(0, 0, 1)
	for name, c := range map[string]struct {
		command *Command
		account *ledger.Account
		want    string
	}{
		"down to the limit":       {made(t, withdrawal("c1.main", "k", 100)), limited(900), ""},
		"over the limit":          {made(t, withdrawal("c1.main", "k", 101)), limited(900), ReasonDailyLimit},
		"what was spent before":   {made(t, withdrawal("c1.main", "k", 1000)), yesterday, ""},
		"a hold down to it":       {made(t, holdRequest("c1.main", "k", 100)), limited(900), ""},
		"a hold over it":          {made(t, holdRequest("c1.main", "k", 101)), limited(900), ReasonDailyLimit},
		"a transfer over it":      {made(t, transferRequest("c1.main", "c2.main", "k", 101)), limited(900), ReasonDailyLimit},
		"a credit":                {made(t, deposit("c1.main", "k", 5000)), limited(1000), ""},
		"a reversal":              {made(t, reverseRequest("c1.main", "k", "e")), limited(1000), ""},
		"no funds below a limit":  {made(t, withdrawal("c1.main", "k", 5001)), limited(0), ReasonInsufficientFunds},
		"an account without any":  {made(t, withdrawal("c1.main", "k", 5000)), account(5000, 0, 1), ""},
		"most that can be asked":  {made(t, withdrawal("c1.main", "k", 1<<62)), limited(1000), ReasonInsufficientFunds},
		"the first thing in life": {made(t, withdrawal("c1.main", "k", 1001)), limited(0), ReasonDailyLimit},
	} {
		t.Run(name, func(t *testing.T) {
			v := seen(accounts{"c1.main": c.account, "c2.main": other}).add(t, gift(100), ledger.Entry{})
			if got := reasonIn(decide(v, c.command)); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestUnknownZoneIsNoDecision(t *testing.T) {
	a := limited(0)
	a.TimeZone = "Mars/Olympus"
	v := seen(accounts{"c1.main": a})
	decide(v, made(t, withdrawal("c1.main", "k", 1)))
	if v.err == nil {
		t.Error("got a decision, want an error")
	}
}

// LG-18 from end to end, over the midnight that ends a day of 23 hours.
func TestLG18LimitResetsAtLocalMidnight(t *testing.T) {
	var c clock
	midnight := time.Date(2024, 3, 31, 22, 0, 0, 0, time.UTC)
	c.at.Store(midnight.Add(-22 * time.Hour).UnixMicro())
	i := newBank(t, 1).start(func(cfg *journal.Config[*Command, Outcome]) { cfg.Clock = c.now })
	i.retried(func(ctx context.Context) error {
		_, err := i.OpenAccount(ctx, &bankv1.OpenAccountRequest{
			IdempotencyKey: "o", AccountId: "c1.main", Kind: bankv1.AccountKind_ACCOUNT_KIND_CARD, Currency: "EUR",
			DailyLimitMinor: 1000, TimeZone: "Europe/Paris",
		})
		return err
	})
	i.posted(deposit("c1.main", "d", 100_000))
	expect := func(err error, want string) {
		t.Helper()
		if got := reasonOf(t, err); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	expect(i.withdraw(400), "")
	hold := i.held(holdRequest("c1.main", "h", 500))
	expect(i.withdraw(101), ReasonDailyLimit)
	expect(i.capture(hold, 300), "") // 200 are given back
	expect(i.withdraw(301), ReasonDailyLimit)
	c.at.Store(midnight.Add(-time.Second).UnixMicro())
	expect(i.withdraw(200), "")
	expect(i.withdraw(101), ReasonDailyLimit)
	late := i.held(holdRequest("c1.main", "late", 100))
	c.at.Store(midnight.UnixMicro())
	expect(i.withdraw(1000), "")
	expect(i.release(late), "") // it counted to the day before
	expect(i.withdraw(1), ReasonDailyLimit)
}

func TestOpenAccountTakesALimit(t *testing.T) {
	r := openRequest()
	r.DailyLimitMinor, r.TimeZone = 900, "America/New_York"
	e, ok := decide(seen(nil), made(t, r)).(*event.AccountOpened)
	if !ok || e.DailyLimitMinor != 900 || e.TimeZone != "America/New_York" {
		t.Errorf("got %+v, want the limit and the zone", e)
	}
	for field, change := range map[string]func(*bankv1.OpenAccountRequest){
		"daily_limit_minor": func(r *bankv1.OpenAccountRequest) { r.DailyLimitMinor = 0 },
		"time_zone":         func(r *bankv1.OpenAccountRequest) { r.TimeZone = "" },
	} {
		other := openRequest()
		other.DailyLimitMinor, other.TimeZone = 900, "America/New_York"
		change(other)
		if got := made(t, other).wish.differs(e); got != field || made(t, other).hash == made(t, r).hash {
			t.Errorf("got %q, want %q and another digest", got, field)
		}
	}
	for name, change := range map[string]func(*bankv1.OpenAccountRequest){
		"negative": func(r *bankv1.OpenAccountRequest) { r.DailyLimitMinor = -1 },
		"no zone":  func(r *bankv1.OpenAccountRequest) { r.TimeZone = "Mars/Olympus" },
		"the host": func(r *bankv1.OpenAccountRequest) { r.TimeZone = "Local" },
		"a path":   func(r *bankv1.OpenAccountRequest) { r.TimeZone = "../zone" },
	} {
		r := openRequest()
		change(r)
		if _, refusal := commandOf(r, "tester"); refusal == nil || refusal.Reason != ReasonMalformed {
			t.Errorf("%s: got %v, want %s", name, refusal, ReasonMalformed)
		}
	}
}
