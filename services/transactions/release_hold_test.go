package transactions

import (
	"reflect"
	"testing"

	"github.com/refold/refold/projections/ledger"
	"github.com/refold/refold/schemas/api/bankv1"
	"github.com/refold/refold/schemas/event"
)

func releaseRequest(account, key, hold string) *bankv1.ReleaseHoldRequest {
	return &bankv1.ReleaseHoldRequest{IdempotencyKey: key, AccountId: account, HoldId: hold}
}

func TestReleaseHoldDecides(t *testing.T) {
	frozen := holding(100, 0, 100)
	frozen.Frozen = true
	for name, c := range map[string]struct {
		view *view
		want string
	}{
		"open":          {withHold(holding(100, 0, 100), ledger.Open), ""},
		"of a frozen":   {withHold(frozen, ledger.Open), ""},
		"captured":      {withHold(account(0, 0, 2), ledger.Captured), ReasonHoldCaptured},
		"released":      {withHold(account(100, 0, 1), ledger.Released), ReasonHoldReleased},
		"expired":       {withHold(account(100, 0, 1), ledger.Expired), ReasonHoldExpired},
		"never placed":  {seen(accounts{"c1.main": account(100, 0, 1)}), ReasonHoldNotFound},
		"of no account": {seen(nil), ReasonAccountNotFound},
	} {
		t.Run(name, func(t *testing.T) {
			got := decide(c.view, made(t, releaseRequest("c1.main", "k", "a")))
			if reason := reasonIn(got); reason != c.want {
				t.Fatalf("got %q, want %q", reason, c.want)
			}
			want := &event.HoldReleased{AccountID: "c1.main", HoldID: "a", AmountMinor: 100, ExpiresAt: noon + holdLong}
			if c.want == "" && !reflect.DeepEqual(got, want) {
				t.Errorf("got %+v, want %+v", got, want)
			}
		})
	}
}

func TestReleaseHoldThatDiffersIsNamed(t *testing.T) {
	first := &event.HoldReleased{AccountID: "c1.main", HoldID: "a"}
	for want, r := range map[string]*bankv1.ReleaseHoldRequest{
		"account_id": releaseRequest("c1.other", "k", "a"),
		"hold_id":    releaseRequest("c1.main", "k", "b"),
	} {
		if got := made(t, r).wish.differs(first); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
