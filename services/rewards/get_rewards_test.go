package rewards_test

import (
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/refold/refold/schemas/api/bankv1"
	"github.com/refold/refold/services/query"
)

func TestRewards(t *testing.T) {
	b := newBank(t)
	seen := b.commit(b.bought(day(1), 10_000), b.bought(day(40), 5_000), b.redeemed(day(41), 30), b.redeemed(day(42), 121))
	got, err := b.server.GetRewards(t.Context(), &bankv1.GetRewardsRequest{CustomerId: "c1", MinPosition: seen})
	if err != nil {
		t.Fatal(err)
	}
	want := &bankv1.GetRewardsResponse{
		CustomerId: "c1", Points: 120, Month: "2014-02", Tier: "classic", TierPercent: 100, EarnedInYear: 150,
		NextTier: "silver", NextTierFrom: 10_000, MonthLeft: 4950, Earned: 150, Redeemed: 30, RulesVersion: 1,
		Expiring:  []*bankv1.ExpiringPoints{{Month: "2016-01", Points: 70}, {Month: "2016-02", Points: 50}},
		Freshness: got.GetFreshness(),
	}
	if !proto.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if f := got.GetFreshness(); f.GetGeneration() != 1 || f.GetLagEvents() != 0 || f.GetPosition() == "" {
		t.Errorf("got freshness %v", f)
	}
}

func TestRewardsOfALaterMonth(t *testing.T) {
	b := newBank(t)
	seen := b.commit(b.bought(day(1), 10_000), b.bought(day(40), 5_000))
	ask := &bankv1.GetRewardsRequest{CustomerId: "c1", MinPosition: seen, AsOf: timestamppb.New(day(2*365 + 1))}
	got, err := b.server.GetRewards(t.Context(), ask)
	if err != nil || got.GetMonth() != "2016-01" || got.GetPoints() != 50 || got.GetExpired() != 100 || got.GetMonthLeft() != 5000 || got.GetEarnedInYear() != 0 {
		t.Errorf("got %v, %v", got, err)
	}
	ask.AsOf = nil
	if again, err := b.server.GetRewards(t.Context(), ask); err != nil || again.GetPoints() != 150 {
		t.Errorf("got %v, %v, want the points of the last month", again, err)
	}
	for _, bad := range []*timestamppb.Timestamp{timestamppb.New(day(31)), {Nanos: -1}} {
		ask.AsOf = bad
		_, err := b.server.GetRewards(t.Context(), ask)
		refused(t, err, codes.InvalidArgument, query.ReasonMalformed, "as_of")
	}
}

func TestRewardsAsTheyWere(t *testing.T) {
	b := newBank(t)
	first := b.commit(b.bought(day(1), 10_000))
	b.commit(b.bought(day(2), 10_000), b.redeemed(day(3), 10))
	for name, r := range map[string]*bankv1.GetRewardsRequest{
		"at a position": {CustomerId: "c1", AsOfPosition: first},
		"at a time":     {CustomerId: "c1", AsOfTime: timestamppb.New(day(1))},
	} {
		if got, err := b.server.GetRewards(t.Context(), r); err != nil || got.GetPoints() != 100 {
			t.Errorf("%s: got %v, %v, want 100 points", name, got, err)
		}
		l, err := b.server.ListRewardEntries(t.Context(), &bankv1.ListRewardEntriesRequest{CustomerId: "c1", AsOfPosition: r.GetAsOfPosition(), AsOfTime: r.GetAsOfTime()})
		if err != nil || len(l.GetEntries()) != 1 {
			t.Errorf("%s: got %v, %v, want one entry", name, l, err)
		}
	}
}
