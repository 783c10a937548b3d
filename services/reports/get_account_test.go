package reports_test

import (
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/refold/refold/schemas/api/bankv1"
	"github.com/refold/refold/schemas/event"
	"github.com/refold/refold/services/query"
	"github.com/refold/refold/services/reports"
	"github.com/refold/refold/streams/position"
	"github.com/refold/refold/streams/topic"
)

func TestAccount(t *testing.T) {
	b := newBank(t)
	at := time.Date(2014, 5, 6, 7, 8, 9, 0, time.UTC)
	seen := b.commit(opened("c1.main", event.AccountCard), b.posted("c1.main", at, event.EntryDeposit, "", 1250))
	got, err := b.server.GetAccount(t.Context(), &bankv1.GetAccountRequest{AccountId: "c1.main", MinPosition: seen})
	if err != nil {
		t.Fatal(err)
	}
	a := got.GetAccount()
	if a.GetAccountId() != "c1.main" || a.GetCustomerId() != "c1" || a.GetKind() != bankv1.AccountKind_ACCOUNT_KIND_CARD ||
		a.GetCurrency() != "EUR" || a.GetBalanceMinor() != 1250 || a.GetOverdraftLimitMinor() != 500 || a.GetEntries() != 1 ||
		a.GetStatus() != bankv1.AccountStatus_ACCOUNT_STATUS_OPEN ||
		!a.GetOpenedAt().AsTime().Equal(time.Unix(1, 0)) {
		t.Errorf("got %v", a)
	}
	f := got.GetFreshness()
	where, err := position.Decode(f.GetPosition())
	p := position.Partition{Topic: topic.Transactions, Partition: topic.Of("c1", partitions)}
	if err != nil || where.Positions[p] != b.broker.Ends(topic.Transactions)[p.Partition] || where.Generation != 1 {
		t.Errorf("got position %v, %v", where, err)
	}
	if f.GetGeneration() != 1 || f.GetLagEvents() != 0 || f.GetLagSeconds() != 0 || f.GetEventTime() == nil {
		t.Errorf("got freshness %v", f)
	}
}

func TestAccountShowsItsLimit(t *testing.T) {
	b := newBank(t)
	opening := opened("c1.main", event.AccountCard)
	opening.DailyLimitMinor, opening.TimeZone = 900, "Europe/Paris"
	got, err := b.server.GetAccount(t.Context(), &bankv1.GetAccountRequest{AccountId: "c1.main", MinPosition: b.commit(opening)})
	if a := got.GetAccount(); err != nil || a.GetDailyLimitMinor() != 900 || a.GetTimeZone() != "Europe/Paris" {
		t.Errorf("got %v, %v, want the limit and its zone", a, err)
	}
}

func TestAccountShowsWhatIsAvailable(t *testing.T) {
	b := newBank(t)
	b.commit(opened("c1.main", event.AccountCard), b.posted("c1.main", time.Unix(9, 0), event.EntryDeposit, "", 100))
	c1 := event.Envelope{CustomerID: "c1"}
	seen := b.commit(&event.HoldPlaced{Envelope: c1, AccountID: "c1.main", AmountMinor: 80, Currency: "EUR"})
	got, err := b.server.GetAccount(t.Context(), &bankv1.GetAccountRequest{AccountId: "c1.main", MinPosition: seen})
	if a := got.GetAccount(); err != nil || a.GetBalanceMinor() != 100 || a.GetHeldMinor() != 80 || a.GetAvailableMinor() != 20 {
		t.Errorf("got %v, %v, want 20 of 100 available", a, err)
	}
}

func TestAccountShowsItsStatus(t *testing.T) {
	b := newBank(t)
	c1 := event.Envelope{CustomerID: "c1"}
	for _, step := range []struct {
		fact any
		want bankv1.AccountStatus
	}{
		{opened("c1.main", event.AccountCurrent), bankv1.AccountStatus_ACCOUNT_STATUS_OPEN},
		{&event.AccountFrozen{Envelope: c1, AccountID: "c1.main"}, bankv1.AccountStatus_ACCOUNT_STATUS_FROZEN},
		{&event.AccountUnfrozen{Envelope: c1, AccountID: "c1.main"}, bankv1.AccountStatus_ACCOUNT_STATUS_OPEN},
		{&event.AccountClosed{Envelope: c1, AccountID: "c1.main"}, bankv1.AccountStatus_ACCOUNT_STATUS_CLOSED},
	} {
		seen := b.commit(step.fact)
		got, err := b.server.GetAccount(t.Context(), &bankv1.GetAccountRequest{AccountId: "c1.main", MinPosition: seen})
		if err != nil || got.GetAccount().GetStatus() != step.want {
			t.Errorf("after %T: got %v, %v, want %v", step.fact, got.GetAccount().GetStatus(), err, step.want)
		}
	}
}

func TestAccountsThatAreNotToBeFound(t *testing.T) {
	b := newBank(t)
	b.commit(opened("c1.main", event.AccountCurrent))
	for _, id := range []string{"c1.other", "c2.main", "@world.0.EUR", "@"} {
		_, err := b.server.GetAccount(t.Context(), &bankv1.GetAccountRequest{AccountId: id})
		refused(t, err, codes.NotFound, reports.ReasonAccountNotFound)
		_, err = b.server.ListEntries(t.Context(), &bankv1.ListEntriesRequest{AccountId: id})
		refused(t, err, codes.NotFound, reports.ReasonAccountNotFound)
	}
	for _, id := range []string{
		"", "c1", ".", "c1.", ".main", "c1.main.x", "c 1.main", "c1.ma\x00in", "-c1.main", "c1._x", "ç.main",
		strings.Repeat("c", 65) + ".main", "c1." + strings.Repeat("m", 33), "c1/main.x",
	} {
		_, err := b.server.GetAccount(t.Context(), &bankv1.GetAccountRequest{AccountId: id})
		refused(t, err, codes.InvalidArgument, query.ReasonMalformed)
		_, err = b.server.ListEntries(t.Context(), &bankv1.ListEntriesRequest{AccountId: id})
		refused(t, err, codes.InvalidArgument, query.ReasonMalformed)
	}
}
