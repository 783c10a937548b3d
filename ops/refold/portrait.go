package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc"

	"github.com/refold/refold/schemas/api/bankv1"
	"github.com/refold/refold/schemas/money"
)

// How many categories and notifications are told of a customer.
const (
	mostCategories    = 3
	mostNotifications = 3
)

// portrait is what the read models say of one customer.
type portrait struct {
	score    *bankv1.GetScoreResponse
	rewards  *bankv1.GetRewardsResponse
	spending *bankv1.GetSpendingResponse
	inbox    *bankv1.ListInboxResponse
}

// portray asks the read models, each once it has folded up to a position.
func portray(ctx context.Context, conn grpc.ClientConnInterface, customer, at string) (p portrait, err error) {
	err = caughtUp(ctx, func(ctx context.Context) (err error) {
		p.score, err = bankv1.NewCreditScoreServiceClient(conn).GetScore(ctx, &bankv1.GetScoreRequest{CustomerId: customer, MinPosition: at})
		return err
	})
	if err != nil {
		return p, err
	}
	err = caughtUp(ctx, func(ctx context.Context) (err error) {
		p.rewards, err = bankv1.NewRewardsServiceClient(conn).GetRewards(ctx, &bankv1.GetRewardsRequest{CustomerId: customer, MinPosition: at})
		return err
	})
	if err != nil {
		return p, err
	}
	err = caughtUp(ctx, func(ctx context.Context) (err error) {
		p.spending, err = bankv1.NewReportsServiceClient(conn).GetSpending(ctx, &bankv1.GetSpendingRequest{CustomerId: customer, MinPosition: at})
		return err
	})
	if err != nil {
		return p, err
	}
	return p, caughtUp(ctx, func(ctx context.Context) (err error) {
		p.inbox, err = bankv1.NewInboxServiceClient(conn).ListInbox(ctx, &bankv1.ListInboxRequest{CustomerId: customer, MinPosition: at, PageSize: mostNotifications})
		return err
	})
}

// print says it in words.
func (p portrait) print(out io.Writer) {
	fmt.Fprintf(out, "  credit score  %d of 300 to 850: %s\n", p.score.GetScore(), strings.Join(p.score.GetReasons(), "; "))
	fmt.Fprintf(out, "  points        %d, tier %s", p.rewards.GetPoints(), p.rewards.GetTier())
	if e := p.rewards.GetExpiring(); len(e) > 0 {
		fmt.Fprintf(out, "; %d of them expire with %s", e[0].GetPoints(), e[0].GetMonth())
	}
	fmt.Fprintf(out, "\n  spent most on %s\n", strings.Join(p.most(), ", "))
	for i, n := range p.inbox.GetNotifications() {
		label := "was told of"
		if i > 0 {
			label = ""
		}
		fmt.Fprintf(out, "  %-13s %s, on %s\n", label, sayNotification(n), n.GetOccurredAt().AsTime().Format(time.DateOnly))
	}
}

// most returns the categories on which the most was spent of all time, in words.
func (p portrait) most() (words []string) {
	var sums []*bankv1.CategorySpending
	for _, m := range p.spending.GetMonths() {
		for _, c := range m.GetCategories() {
			i := slices.IndexFunc(sums, func(s *bankv1.CategorySpending) bool { return s.Category == c.Category && s.Currency == c.Currency })
			if i < 0 {
				sums = append(sums, &bankv1.CategorySpending{Category: c.Category, Currency: c.Currency})
				i = len(sums) - 1
			}
			sums[i].SpentMinor += c.SpentMinor
		}
	}
	slices.SortStableFunc(sums, func(a, b *bankv1.CategorySpending) int { return cmp.Compare(b.SpentMinor, a.SpentMinor) })
	for _, s := range sums[:min(mostCategories, len(sums))] {
		words = append(words, fmt.Sprintf("%s (%s %s)", s.Category, money.Format(s.SpentMinor, s.Currency), s.Currency))
	}
	return words
}
