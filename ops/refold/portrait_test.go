package main

import (
	"bytes"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/refold/refold/schemas/api/bankv1"
)

// purchase is a notification of one.
func purchase(minor int64, at time.Time) *bankv1.Notification {
	return &bankv1.Notification{
		Kind: bankv1.NotificationKind_NOTIFICATION_KIND_LARGE_PURCHASE, AccountId: "a.card", AmountMinor: -minor, Currency: "GBP", OccurredAt: timestamppb.New(at),
	}
}

func TestPortrait(t *testing.T) {
	spent := func(category string, minor int64) *bankv1.CategorySpending {
		return &bankv1.CategorySpending{Category: category, Currency: "GBP", SpentMinor: minor}
	}
	p := portrait{
		score: &bankv1.GetScoreResponse{Score: 612, Reasons: []string{"a reason", "another"}},
		rewards: &bankv1.GetRewardsResponse{
			Points: 1200, Tier: "silver", Expiring: []*bankv1.ExpiringPoints{{Month: "2016-05", Points: 70}, {Month: "2016-06", Points: 1130}},
		},
		spending: &bankv1.GetSpendingResponse{Months: []*bankv1.MonthSpending{
			{Categories: []*bankv1.CategorySpending{spent("fuel", 100), spent("travel", 500), spent("home", 7), spent("fees", -3)}},
			{Categories: []*bankv1.CategorySpending{spent("fuel", 450)}},
		}},
		inbox: &bankv1.ListInboxResponse{Notifications: []*bankv1.Notification{
			purchase(64_000, time.Date(2017, 1, 1, 12, 0, 0, 0, time.UTC)), purchase(50_000, time.Date(2016, 12, 31, 0, 0, 0, 0, time.UTC)),
		}},
	}
	var out bytes.Buffer
	p.print(&out)
	want := `  credit score  612 of 300 to 850: a reason; another
  points        1200, tier silver; 70 of them expire with 2016-05
  spent most on fuel (5.50 GBP), travel (5.00 GBP), home (0.07 GBP)
  was told of   a purchase of 640.00 GBP with a.card, on 2017-01-01
                a purchase of 500.00 GBP with a.card, on 2016-12-31
`
	if out.String() != want {
		t.Errorf("got\n%swant\n%s", out.String(), want)
	}
}
