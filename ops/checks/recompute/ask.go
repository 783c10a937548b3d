package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/refold/refold/schemas/api/bankv1"
)

// question asks a bank about one customer.
type question struct {
	reports  bankv1.ReportsServiceClient
	customer string
	position string // up to which everything must be folded, "" for none
	lines    []string
}

// ask returns what a bank says of a customer, in order.
func ask(ctx context.Context, conn grpc.ClientConnInterface, customer, position string) ([]string, error) {
	q := &question{reports: bankv1.NewReportsServiceClient(conn), customer: customer, position: position}
	if err := q.accounts(ctx); err != nil {
		return nil, err
	}
	if err := q.spending(ctx); err != nil {
		return nil, err
	}
	if err := q.score(ctx, conn); err != nil {
		return nil, err
	}
	points, err := bankv1.NewRewardsServiceClient(conn).GetRewards(ctx, &bankv1.GetRewardsRequest{CustomerId: customer, MinPosition: position})
	if status.Code(err) == codes.NotFound {
		err = nil
	} else if err == nil {
		q.say("points %d: %d earned, %d taken back, %d expired", points.GetPoints(), points.GetEarned(), points.GetTakenBack(), points.GetExpired())
	}
	slices.Sort(q.lines)
	return q.lines, err
}

// score tells what the score is made of, not the points that are given for it, which are a table.
func (q *question) score(ctx context.Context, conn grpc.ClientConnInterface) error {
	got, err := bankv1.NewCreditScoreServiceClient(conn).GetScore(ctx, &bankv1.GetScoreRequest{CustomerId: q.customer, MinPosition: q.position})
	if status.Code(err) == codes.NotFound {
		return nil
	}
	for _, f := range got.GetFactors() {
		if f.GetKnown() {
			q.say("measured %s %d", f.GetName(), f.GetValue())
		} else {
			q.say("measured %s -", f.GetName())
		}
	}
	return err
}

func (q *question) say(format string, args ...any) {
	q.lines = append(q.lines, fmt.Sprintf(format, args...))
}

func (q *question) accounts(ctx context.Context) error {
	all, err := q.reports.ListAccounts(ctx, &bankv1.ListAccountsRequest{CustomerId: q.customer, MinPosition: q.position})
	if err != nil {
		return err
	}
	for _, a := range all.GetAccounts() {
		q.say("balance %s %s %d of %d entries", a.GetAccountId(), a.GetCurrency(), a.GetBalanceMinor(), a.GetEntries())
		ends, err := q.ends(ctx, a.GetAccountId())
		if err != nil {
			return err
		}
		for _, end := range ends {
			before := timestamppb.New(end.Add(-time.Microsecond))
			then, err := q.reports.GetAccount(ctx, &bankv1.GetAccountRequest{AccountId: a.GetAccountId(), MinPosition: q.position, EffectiveAt: before})
			if err != nil {
				return err
			}
			q.say("before %s %s: %d", a.GetAccountId(), end.Format(time.DateOnly), then.GetEffectiveBalanceMinor())
		}
	}
	return nil
}

// ends returns the ends of the months in which there are entries. On the way it sees that the statement adds up.
func (q *question) ends(ctx context.Context, account string) (ends []time.Time, err error) {
	r := &bankv1.ListEntriesRequest{AccountId: account, MinPosition: q.position, PageSize: 1000}
	for balance := int64(0); ; {
		page, err := q.reports.ListEntries(ctx, r)
		if err != nil {
			return nil, err
		}
		for _, l := range page.GetEntries() {
			if balance += l.GetAmountMinor(); l.GetEffectiveBalanceMinor() != balance {
				return nil, fmt.Errorf("the line of event %s says a balance of %d, and all up to it come to %d", l.GetEventId(), l.GetEffectiveBalanceMinor(), balance)
			}
			if end := nextMonth(l.GetOccurredAt().AsTime()); !slices.Contains(ends, end) {
				ends = append(ends, end)
			}
		}
		if r.PageToken = page.GetNextPageToken(); r.PageToken == "" {
			return ends, nil
		}
	}
}

func (q *question) spending(ctx context.Context) error {
	got, err := q.reports.GetSpending(ctx, &bankv1.GetSpendingRequest{CustomerId: q.customer, MinPosition: q.position, TimeZone: "UTC"})
	if err != nil {
		return err
	}
	for _, m := range got.GetMonths() {
		for _, c := range m.GetCategories() {
			q.say("spent %s %s %s %d in %d entries", m.GetMonth(), c.GetCategory(), c.GetCurrency(), c.GetSpentMinor(), c.GetEntries())
		}
		for _, t := range m.GetTotals() {
			if t.GetIncomeMinor() != 0 {
				q.say("income %s %s %d", m.GetMonth(), t.GetCurrency(), t.GetIncomeMinor())
			}
		}
	}
	return nil
}
