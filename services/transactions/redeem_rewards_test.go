package transactions

import (
	"reflect"
	"testing"

	"github.com/refold/refold/schemas/api/bankv1"
	"github.com/refold/refold/schemas/event"
)

func redeemRequest(account, key string, points int64) *bankv1.RedeemRewardsRequest {
	return &bankv1.RedeemRewardsRequest{IdempotencyKey: key, CustomerId: "c1", AccountId: account, Points: points}
}

// That there are enough points is not for the journal to say.
func TestRedeemRewardsDecides(t *testing.T) {
	for name, c := range map[string]struct {
		given accounts
		want  string
	}{
		"open":       {accounts{"c1.main": account(5, 0, 1)}, ""},
		"frozen":     {accounts{"c1.main": {Frozen: true}}, ""},
		"closed":     {accounts{"c1.main": {Closed: true}}, ReasonAccountClosed},
		"no account": {nil, ReasonAccountNotFound},
	} {
		t.Run(name, func(t *testing.T) {
			got := decide(seen(c.given), made(t, redeemRequest("c1.main", "k", 700)))
			if reason := reasonIn(got); reason != c.want {
				t.Fatalf("got %q, want %q", reason, c.want)
			}
			if want := (&event.RewardRedemptionRequested{AccountID: "c1.main", Points: 700}); c.want == "" && !reflect.DeepEqual(got, want) {
				t.Errorf("got %+v, want %+v", got, want)
			}
		})
	}
}

func TestRedeemRewardsThatIsMalformed(t *testing.T) {
	for field, r := range map[string]*bankv1.RedeemRewardsRequest{
		"account_id": redeemRequest("c2.main", "k", 1),
		"points":     redeemRequest("c1.main", "k", 0),
	} {
		if _, refusal := commandOf(r, "who"); refusal == nil || refusal.Reason != ReasonMalformed || refusal.Violations[0].GetField() != field {
			t.Errorf("got %v, want %s to be wrong", refusal, field)
		}
	}
}

func TestRedeemRewardsThatDiffersIsNamed(t *testing.T) {
	first := &event.RewardRedemptionRequested{AccountID: "c1.main", Points: 700}
	for want, r := range map[string]*bankv1.RedeemRewardsRequest{
		"account_id": redeemRequest("c1.other", "k", 700),
		"points":     redeemRequest("c1.main", "k", 701),
	} {
		if got := made(t, r).differs(first); got != want || made(t, r).hash == made(t, redeemRequest("c1.main", "k", 700)).hash {
			t.Errorf("got %q, want %q and another digest", got, want)
		}
	}
}

// The record is in the chain, is answered again, and is one of those that the verifier and the model know.
func TestRedemptionIsInTheJournal(t *testing.T) {
	b := newBank(t, 1)
	i := b.start()
	i.open("c1.main")
	r := redeemRequest("c1.main", i.key(), 700)
	first, err := i.RedeemRewards(t.Context(), r)
	if err != nil || first.GetPoints() != 700 || first.GetAccountId() != "c1.main" || first.GetReplayed() {
		t.Fatalf("got %v, %v", first, err)
	}
	again, err := i.RedeemRewards(t.Context(), r)
	if err != nil || !again.GetReplayed() || again.GetRecord().GetOffset() != first.GetRecord().GetOffset() {
		t.Errorf("got %v, %v, want the first answer again", again, err)
	}
	found, err := i.FindByKey(t.Context(), &bankv1.FindByKeyRequest{CustomerId: "c1", IdempotencyKey: r.GetIdempotencyKey()})
	if err != nil || found.GetRedemption().GetRecord().GetEventId() != first.GetRecord().GetEventId() {
		t.Errorf("got %v, %v", found, err)
	}
}
