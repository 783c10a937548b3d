package transactions

import (
	"reflect"
	"testing"

	"github.com/refold/refold/schemas/api/bankv1"
	"github.com/refold/refold/schemas/event"
)

func freezeRequest(account, key string) *bankv1.FreezeAccountRequest {
	return &bankv1.FreezeAccountRequest{IdempotencyKey: key, AccountId: account, Reason: "because"}
}

func TestFreezeAccountDecides(t *testing.T) {
	for name, c := range map[string]struct {
		given accounts
		want  string
	}{
		"open":       {accounts{"c1.main": account(5, 0, 1)}, ""},
		"frozen":     {accounts{"c1.main": {Frozen: true}}, ReasonAccountFrozen},
		"closed":     {accounts{"c1.main": {Closed: true}}, ReasonAccountClosed},
		"no account": {nil, ReasonAccountNotFound},
	} {
		t.Run(name, func(t *testing.T) {
			got := decide(seen(c.given), made(t, freezeRequest("c1.main", "k")))
			if reason := reasonIn(got); reason != c.want {
				t.Fatalf("got %q, want %q", reason, c.want)
			}
			if want := (&event.AccountFrozen{AccountID: "c1.main", Reason: "because"}); c.want == "" && !reflect.DeepEqual(got, want) {
				t.Errorf("got %+v, want %+v", got, want)
			}
		})
	}
}

func TestFreezeAccountThatDiffersIsNamed(t *testing.T) {
	first := &event.AccountFrozen{AccountID: "c1.main", Reason: "because"}
	for want, change := range map[string]func(*bankv1.FreezeAccountRequest){
		"account_id": func(r *bankv1.FreezeAccountRequest) { r.AccountId = "c1.other" },
		"reason":     func(r *bankv1.FreezeAccountRequest) { r.Reason = "why not" },
	} {
		r := freezeRequest("c1.main", "k")
		same := made(t, r).hash
		change(r)
		other := made(t, r)
		if got := other.differs(first); got != want || other.hash == same {
			t.Errorf("got %q, want %q and another digest", got, want)
		}
	}
}
