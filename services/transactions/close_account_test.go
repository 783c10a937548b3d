package transactions

import (
	"reflect"
	"testing"

	"github.com/refold/refold/projections/ledger"
	"github.com/refold/refold/schemas/api/bankv1"
	"github.com/refold/refold/schemas/event"
)

func closeRequest(account, key string) *bankv1.CloseAccountRequest {
	return &bankv1.CloseAccountRequest{IdempotencyKey: key, AccountId: account, Reason: "because"}
}

func TestCloseAccountDecides(t *testing.T) {
	for name, c := range map[string]struct {
		given accounts
		want  string
	}{
		"empty":            {accounts{"c1.main": account(0, 50, 1)}, ""},
		"empty and frozen": {accounts{"c1.main": {Frozen: true}}, ""},
		"with money":       {accounts{"c1.main": account(1, 0, 1)}, ReasonBalanceNotZero},
		"overdrawn":        {accounts{"c1.main": account(-1, 50, 1)}, ReasonBalanceNotZero},
		"with a hold":      {accounts{"c1.main": {Holds: []ledger.OpenHold{{ID: "h", AmountMinor: 1}}, HeldMinor: 1}}, ReasonHoldsOpen},
		"closed":           {accounts{"c1.main": {Closed: true}}, ReasonAccountClosed},
		"no account":       {nil, ReasonAccountNotFound},
	} {
		t.Run(name, func(t *testing.T) {
			got := decide(seen(c.given), made(t, closeRequest("c1.main", "k")))
			if reason := reasonIn(got); reason != c.want {
				t.Fatalf("got %q, want %q", reason, c.want)
			}
			if want := (&event.AccountClosed{AccountID: "c1.main", Reason: "because"}); c.want == "" && !reflect.DeepEqual(got, want) {
				t.Errorf("got %+v, want %+v", got, want)
			}
		})
	}
}

func TestCloseAccountThatDiffersIsNamed(t *testing.T) {
	first := &event.AccountClosed{AccountID: "c1.main", Reason: "because"}
	for want, change := range map[string]func(*bankv1.CloseAccountRequest){
		"account_id": func(r *bankv1.CloseAccountRequest) { r.AccountId = "c1.other" },
		"reason":     func(r *bankv1.CloseAccountRequest) { r.Reason = "why not" },
	} {
		r := closeRequest("c1.main", "k")
		same := made(t, r).hash
		change(r)
		other := made(t, r)
		if got := other.differs(first); got != want || other.hash == same {
			t.Errorf("got %q, want %q and another digest", got, want)
		}
	}
}
