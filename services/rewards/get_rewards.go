package rewards

import (
	"context"
	"fmt"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/refold/refold/projections/rewards"
	"github.com/refold/refold/schemas/api/bankv1"
	"github.com/refold/refold/services/query"
)

// GetRewards implements bankv1.RewardsServiceServer.
func (s *Server) GetRewards(ctx context.Context, r *bankv1.GetRewardsRequest) (*bankv1.GetRewardsResponse, error) {
	v, err := s.reader.View(ctx, query.Question{Projection: rewards.Name, Customer: r.GetCustomerId(), MinPosition: r.GetMinPosition(), Past: r})
	if err != nil {
		return nil, err
	}
	defer v.Close()
	summary, err := s.summary(v, r.GetCustomerId())
	if err != nil {
		return nil, err
	}
	rules, err := s.rulesOf(v)
	if err != nil {
		return nil, err
	}
	month, err := asOf(r.GetAsOf(), summary.Month)
	if err != nil {
		return nil, err
	}
	out := answer(rules.Judge(summary, month))
	out.CustomerId, out.RulesVersion, out.Freshness = r.GetCustomerId(), rules.Version, query.Freshness(v)
	return out, nil
}

// asOf returns the month that is asked for, which is not before the last one of the row.
func asOf(asked *timestamppb.Timestamp, last int64) (int64, error) {
	switch {
	case asked == nil:
		return last, nil
	case !asked.IsValid():
		return 0, query.Wrong(query.ReasonMalformed, "as_of", "is no time")
	}
	month := rewards.MonthOf(asked.AsTime())
	if month < last {
		return 0, query.Wrong(query.ReasonMalformed, "as_of", fmt.Sprintf("must not be before %s, the month of the customer's last event", rewards.MonthName(last)))
	}
	return month, nil
}

func answer(j rewards.Judgement) *bankv1.GetRewardsResponse {
	out := &bankv1.GetRewardsResponse{
		Points: j.Balance(), Month: rewards.MonthName(j.Month), Tier: j.Tier.Name, TierPercent: j.Tier.Percent,
		EarnedInYear: j.Year, NextTier: j.Next.Name, NextTierFrom: j.Next.From, MonthLeft: j.Room,
		Earned: j.Earned, TakenBack: j.TakenBack, Redeemed: j.Redeemed, Expired: j.Expired, UnknownCategories: j.Unknown,
	}
	for _, e := range j.Expiring {
		out.Expiring = append(out.Expiring, &bankv1.ExpiringPoints{Month: rewards.MonthName(e.Month), Points: e.Left})
	}
	return out
}
