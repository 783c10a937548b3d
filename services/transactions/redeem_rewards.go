package transactions

import (
	"github.com/refold/refold/schemas/api/bankv1"
	"github.com/refold/refold/schemas/event"
)

// redeemRewards wants something against points. No money moves: the journal records the wish in its place
// among the purchases of the customer, and the fold of the rewards decides whether there are enough points.
type redeemRewards struct {
	account string
	points  int64 // positive
}

func newRedeemRewards(r *bankv1.RedeemRewardsRequest, principal string) (*Command, *Refusal) {
	if customer, _ := customerOf(r.GetAccountId()); customer != r.GetCustomerId() {
		return nil, malformed("account_id: must be an account of customer_id")
	}
	if r.GetPoints() <= 0 {
		return nil, malformed("points: must be positive")
	}
	return newCommand(r, &redeemRewards{account: r.GetAccountId(), points: r.GetPoints()}, principal)
}

func (w *redeemRewards) name() string { return "RedeemRewards" }

func (w *redeemRewards) accountID() string { return w.account }

func (w *redeemRewards) content(c content) content { return c.text(w.account).number(w.points) }

func (w *redeemRewards) decide(v *view) (fact, *rejection) {
	if _, r := v.usable(w.account); r != nil {
		return nil, r
	}
	return &event.RewardRedemptionRequested{AccountID: w.account, Points: w.points}, nil
}

func (w *redeemRewards) differs(f fact) string {
	e, ok := f.(*event.RewardRedemptionRequested)
	switch {
	case !ok:
		return "the command"
	case e.AccountID != w.account:
		return "account_id"
	case e.Points != w.points:
		return "points"
	}
	return ""
}
