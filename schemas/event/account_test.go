package event_test

import (
	"math"
	"testing"

	"github.com/refold/refold/schemas/event"
)

func TestUnbalanced(t *testing.T) {
	leg := func(amount int64, currency string) event.Leg {
		return event.Leg{AmountMinor: amount, Currency: currency}
	}
	for name, c := range map[string]struct {
		legs []event.Leg
		want string
	}{
		"none":            {nil, ""},
		"two":             {[]event.Leg{leg(-5, "EUR"), leg(5, "EUR")}, ""},
		"per currency":    {[]event.Leg{leg(-5, "EUR"), leg(5, "USD")}, "EUR"},
		"the second":      {[]event.Leg{leg(-5, "EUR"), leg(5, "EUR"), leg(1, "USD")}, "USD"},
		"a sum that laps": {[]event.Leg{leg(1<<62, "EUR"), leg(1<<62, "EUR"), leg(1<<62, "EUR"), leg(1<<62, "EUR")}, "EUR"},
		"the smallest":    {[]event.Leg{leg(math.MinInt64, "EUR"), leg(math.MinInt64, "EUR")}, "EUR"},
	} {
		if got, found := event.Unbalanced(c.legs); got != c.want || found != (c.want != "") {
			t.Errorf("%s: got %q, %v, want %q", name, got, found, c.want)
		}
	}
}

func TestHome(t *testing.T) {
	for account, want := range map[string]string{"alice.main": "alice", "@world.3.EUR": "", "alice": "", ".main": ""} {
		if got, ok := event.Home(account); ok != (want != "") || ok && got != want {
			t.Errorf("%s: got %q, %v, want %q", account, got, ok, want)
		}
	}
}
