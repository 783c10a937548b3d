package main

import (
	"bytes"
	"testing"

	"github.com/refold/refold/schemas/api/bankv1"
)

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
	}
	var out bytes.Buffer
	p.print(&out)
	want := `  credit score  612 of 300 to 850: a reason; another
  points        1200, tier silver; 70 of them expire with 2016-05
  spent most on fuel (5.50 GBP), travel (5.00 GBP), home (0.07 GBP)
`
	if out.String() != want {
		t.Errorf("got\n%swant\n%s", out.String(), want)
	}
}
