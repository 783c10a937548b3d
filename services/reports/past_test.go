package reports_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/refold/refold/projections/engine"
	"github.com/refold/refold/schemas/api/bankv1"
	"github.com/refold/refold/schemas/event"
	"github.com/refold/refold/services/query"
	"github.com/refold/refold/services/reports"
	"github.com/refold/refold/streams/topic"
)

// recorded sets when an entry was recorded.
func recorded(e *event.EntryPosted, at time.Time) *event.EntryPosted {
	e.RecordedAt = event.MicrosOf(at)
	return e
}

// LG-20: an account, a statement and the spending as they were at a position, at the very time of a record,
// and before the account was opened.
func TestLG20AnswersAsOf(t *testing.T) {
	b := newBank(t)
	day := func(n int) time.Time { return time.Date(2024, 1, n, 0, 0, 0, 0, time.UTC) }
	opening := opened("c1.main", event.AccountCard)
	opening.RecordedAt = event.MicrosOf(day(1))
	b.commit(opening)
	seen := b.commit(recorded(b.posted("c1.main", day(2), event.EntryCardPurchase, "food", -100), day(2)))
	b.commit(recorded(b.posted("c1.main", day(3), event.EntryCardPurchase, "food", -20), day(3)))
	for name, c := range map[string]struct {
		at       time.Time
		position string
		balance  int64
		lines    int
	}{
		"a position":            {position: seen, balance: -100, lines: 1},
		"the time of a record":  {at: day(2), balance: -100, lines: 1},
		"between two records":   {at: day(3).Add(-time.Microsecond), balance: -100, lines: 1},
		"the opening":           {at: day(1), balance: 0, lines: 0},
		"after the last record": {at: day(4), balance: -120, lines: 2},
	} {
		var at *timestamppb.Timestamp
		if !c.at.IsZero() {
			at = timestamppb.New(c.at)
		}
		got, err := b.server.GetAccount(t.Context(), &bankv1.GetAccountRequest{AccountId: "c1.main", AsOfTime: at, AsOfPosition: c.position})
		if err != nil || got.GetAccount().GetBalanceMinor() != c.balance || got.GetFreshness().GetScanned() {
			t.Errorf("%s: got %v, %v, want a balance of %d", name, got, err, c.balance)
		}
		if c.position != "" {
			same, err := b.server.GetAccount(t.Context(), &bankv1.GetAccountRequest{AccountId: "c1.main", AsOfPosition: got.GetFreshness().GetPosition()})
			if err != nil || same.GetAccount().GetBalanceMinor() != c.balance {
				t.Errorf("%s: at the position of the answer: got %v, %v", name, same, err)
			}
		}
		list, err := b.server.ListEntries(t.Context(), &bankv1.ListEntriesRequest{AccountId: "c1.main", AsOfTime: at, AsOfPosition: c.position})
		if err != nil || len(list.GetEntries()) != c.lines {
			t.Errorf("%s: got %v, %v, want %d lines", name, list, err, c.lines)
		}
		spent, err := b.server.GetSpending(t.Context(), &bankv1.GetSpendingRequest{CustomerId: "c1", AsOfTime: at, AsOfPosition: c.position})
		if err != nil || (len(spent.GetMonths()) == 0) != (c.lines == 0) ||
			c.lines > 0 && spent.GetMonths()[0].GetCategories()[0].GetSpentMinor() != -c.balance {
			t.Errorf("%s: got %v, %v, want %d spent", name, spent, err, -c.balance)
		}
	}
	_, err := b.server.GetAccount(t.Context(), &bankv1.GetAccountRequest{AccountId: "c1.main", AsOfTime: timestamppb.New(day(1).Add(-1))})
	refused(t, err, codes.NotFound, reports.ReasonAccountNotFound)
}

// All pages of a statement as it was are of the same moment.
func TestPagesOfAStatementAsItWas(t *testing.T) {
	b := newBank(t)
	b.commit(opened("c1.main", event.AccountCard))
	seen := b.commit(b.posted("c1.main", time.Unix(1, 0), event.EntryDeposit, "", 1), b.posted("c1.main", time.Unix(2, 0), event.EntryDeposit, "", 2))
	r := &bankv1.ListEntriesRequest{AccountId: "c1.main", AsOfPosition: seen, PageSize: 1}
	var lines int
	for more := true; more; more = r.PageToken != "" {
		got, err := b.server.ListEntries(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		lines += len(got.GetEntries())
		r.PageToken = got.GetNextPageToken()
		b.commit(b.posted("c1.main", time.Unix(9, 0), event.EntryDeposit, "", 9))
	}
	if lines != 2 {
		t.Errorf("got %d lines, want 2", lines)
	}
	r = &bankv1.ListEntriesRequest{AccountId: "c1.main", AsOfPosition: seen, PageSize: 1}
	got, err := b.server.ListEntries(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	r.PageToken, r.AsOfPosition = got.GetNextPageToken(), ""
	_, err = b.server.ListEntries(t.Context(), r)
	refused(t, err, codes.InvalidArgument, query.ReasonBadToken)
}

func TestMomentsThatAreRefused(t *testing.T) {
	b := newBank(t)
	seen := b.commit(opened("c1.main", event.AccountCard))
	now := timestamppb.Now()
	for reason, r := range map[string]*bankv1.GetAccountRequest{
		query.ReasonMalformed + " both":     {AsOfTime: now, AsOfPosition: seen},
		query.ReasonMalformed + " present":  {AsOfTime: now, MinPosition: seen},
		query.ReasonMalformed + " no time":  {AsOfTime: &timestamppb.Timestamp{Nanos: -1}},
		query.ReasonBadToken + " cut":       {AsOfPosition: seen[1:]},
		query.ReasonBadToken + " elsewhere": {AsOfPosition: token(1-topic.Of("c1", partitions), 1)},
	} {
		r.AccountId = "c1.main"
		_, err := b.server.GetAccount(t.Context(), r)
		want, _, _ := strings.Cut(reason, " ")
		refused(t, err, codes.InvalidArgument, want)
	}
	future := &bankv1.GetAccountRequest{AccountId: "c1.main", AsOfTime: timestamppb.New(time.Now().Add(time.Hour))}
	if _, err := b.server.GetAccount(t.Context(), future); !errors.Is(err, engine.ErrFuture) {
		t.Errorf("got %v, want %v", err, engine.ErrFuture)
	}
}
