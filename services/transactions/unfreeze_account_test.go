package transactions

import (
	"reflect"
	"testing"

	"github.com/refold/refold/schemas/api/bankv1"
	"github.com/refold/refold/schemas/event"
)

func unfreezeRequest(account, key string) *bankv1.UnfreezeAccountRequest {
	return &bankv1.UnfreezeAccountRequest{IdempotencyKey: key, AccountId: account, Reason: "because"}
}

func TestUnfreezeAccountDecides(t *testing.T) {
	for name, c := range map[string]struct {
		given accounts
		want  string
	}{
		"open":              {accounts{"c1.main": account(5, 0, 1)}, ReasonAccountNotFrozen},
		"frozen":            {accounts{"c1.main": {Frozen: true}}, ""},
		"closed":            {accounts{"c1.main": {Closed: true}}, ReasonAccountClosed},
		"frozen and closed": {accounts{"c1.main": {Frozen: true, Closed: true}}, ReasonAccountClosed},
		"no account":        {nil, ReasonAccountNotFound},
	} {
		t.Run(name, func(t *testing.T) {
			got := decide(seen(c.given), made(t, unfreezeRequest("c1.main", "k")))
			if reason := reasonIn(got); reason != c.want {
				t.Fatalf("got %q, want %q", reason, c.want)
			}
			if want := (&event.AccountUnfrozen{AccountID: "c1.main", Reason: "because"}); c.want == "" && !reflect.DeepEqual(got, want) {
				t.Errorf("got %+v, want %+v", got, want)
			}
		})
	}
}

func TestUnfreezeAccountThatDiffersIsNamed(t *testing.T) {
	first := &event.AccountUnfrozen{AccountID: "c1.main", Reason: "because"}
	for want, change := range map[string]func(*bankv1.UnfreezeAccountRequest){
		"account_id": func(r *bankv1.UnfreezeAccountRequest) { r.AccountId = "c1.other" },
		"reason":     func(r *bankv1.UnfreezeAccountRequest) { r.Reason = "why not" },
	} {
		r := unfreezeRequest("c1.main", "k")
		same := made(t, r).hash
		change(r)
		other := made(t, r)
		if got := other.differs(first); got != want || other.hash == same {
			t.Errorf("got %q, want %q and another digest", got, want)
		}
	}
}
