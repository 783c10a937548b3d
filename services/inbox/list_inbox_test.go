package inbox_test

import (
	"errors"
	"slices"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/refold/refold/schemas/api/bankv1"
	"github.com/refold/refold/services/query"
	"github.com/refold/refold/streams/position"
)

// list asks for an inbox.
func (b *bank) list(r *bankv1.ListInboxRequest) *bankv1.ListInboxResponse {
	b.t.Helper()
	got, err := b.server.ListInbox(b.t.Context(), r)
	if err != nil {
		b.t.Fatal(err)
	}
	return got
}

// amounts returns what moved by each notification.
func amounts(list []*bankv1.Notification) (out []int64) {
	for _, n := range list {
		out = append(out, n.GetAmountMinor())
	}
	return out
}

// A token of the journal waits until what the customer is told of it is in the inbox.
func TestInboxHoldsWhatTheCustomerWasToldOfAPosition(t *testing.T) {
	b := newBank(t)
	seen := b.commit(b.bought(day(1), 60_000), b.bought(day(2), 100), b.bought(day(3), 70_000))
	got := b.list(&bankv1.ListInboxRequest{CustomerId: "c1", MinPosition: seen})
	if len(got.GetNotifications()) != 2 || got.GetUnread() != 2 || got.GetNextPageToken() != "" {
		t.Fatalf("got %v", got)
	}
	n := got.GetNotifications()[0]
	want := &bankv1.Notification{
		Id: n.GetId(), Kind: bankv1.NotificationKind_NOTIFICATION_KIND_LARGE_PURCHASE, AccountId: "c1.card",
		AmountMinor: -70_000, BalanceMinor: -70_000, ThresholdMinor: 50_000, Currency: "EUR", OccurredAt: timestamppb.New(day(3)),
	}
	if !proto.Equal(n, want) || len(n.GetId()) != 26 {
		t.Errorf("got %v, want %v", n, want)
	}
	if f := got.GetFreshness(); f.GetGeneration() != 1 || f.GetLagEvents() != 0 || f.GetPosition() == "" {
		t.Errorf("got freshness %v", f)
	}
	if again := b.list(&bankv1.ListInboxRequest{CustomerId: "c1", MinPosition: got.GetFreshness().GetPosition()}); len(again.GetNotifications()) != 2 {
		t.Errorf("at its own position: got %v", again)
	}
}

func TestInboxInPages(t *testing.T) {
	b := newBank(t)
	r := &bankv1.ListInboxRequest{CustomerId: "c1", PageSize: 2, MinPosition: b.commit(
		b.bought(day(1), 60_000), b.bought(day(3), 80_000), b.bought(day(2), 70_000), b.bought(day(4), 90_000), b.bought(day(5), 100_000))}
	var found []int64
	for pages := 1; pages <= 5; pages++ {
		got := b.list(r)
		found = append(found, amounts(got.GetNotifications())...)
		if got.GetUnread() != 5 {
			t.Errorf("page %d: got %d unread, want 5", pages, got.GetUnread())
		}
		if r.PageToken = got.GetNextPageToken(); r.PageToken == "" {
			if pages != 3 {
				t.Errorf("got %d pages, want 3", pages)
			}
			break
		}
	}
	if want := []int64{-100_000, -90_000, -80_000, -70_000, -60_000}; !slices.Equal(found, want) {
		t.Errorf("got %v, want %v", found, want)
	}
	if last := b.list(&bankv1.ListInboxRequest{CustomerId: "c1", PageSize: 5}); last.GetNextPageToken() != "" || len(last.GetNotifications()) != 5 {
		t.Errorf("a page that holds all: got %v", last)
	}
}

func TestPagesThatAreNone(t *testing.T) {
	b := newBank(t)
	r := &bankv1.ListInboxRequest{CustomerId: "c1", MinPosition: b.commit(b.bought(day(1), 60_000), b.bought(day(2), 70_000)), PageSize: 1}
	good := b.list(r)
	for _, bad := range []*bankv1.ListInboxRequest{
		{CustomerId: "c1", PageToken: "x"}, {CustomerId: "c2", PageToken: good.GetNextPageToken()},
		{CustomerId: "c1", PageToken: good.GetNextPageToken(), Unread: true},
		{CustomerId: "c1", PageToken: good.GetFreshness().GetPosition()},
		{CustomerId: "c1", PageToken: good.GetNextPageToken(), AsOfPosition: good.GetFreshness().GetPosition()},
	} {
		_, err := b.server.ListInbox(t.Context(), bad)
		refused(t, err, codes.InvalidArgument, query.ReasonBadToken, "page_token")
	}
	gone := position.Page{Generation: 7, Next: 1, Last: "e"}.Encode([]byte("c1\x00\x00"))
	_, err := b.server.ListInbox(t.Context(), &bankv1.ListInboxRequest{CustomerId: "c1", PageToken: gone})
	refused(t, err, codes.Aborted, query.ReasonPageExpired)
}

// Who was told nothing has an empty inbox; who has no account is not known.
func TestEmptyInboxes(t *testing.T) {
	b := newBank(t)
	seen := b.commit(b.bought(day(1), 100))
	if got := b.list(&bankv1.ListInboxRequest{CustomerId: "c1", MinPosition: seen}); len(got.GetNotifications()) != 0 || got.GetUnread() != 0 {
		t.Errorf("got %v", got)
	}
	_, err := b.server.ListInbox(t.Context(), &bankv1.ListInboxRequest{CustomerId: "c2"})
	refused(t, err, codes.NotFound, query.ReasonCustomerNotFound)
}

func TestInboxAsItWas(t *testing.T) {
	b := newBank(t)
	before := b.list(&bankv1.ListInboxRequest{CustomerId: "c1", MinPosition: b.commit(b.bought(day(1), 60_000))})
	b.list(&bankv1.ListInboxRequest{CustomerId: "c1", MinPosition: b.commit(b.bought(day(2), 70_000))})
	got := b.list(&bankv1.ListInboxRequest{CustomerId: "c1", AsOfPosition: before.GetFreshness().GetPosition()})
	if want := []int64{-60_000}; !slices.Equal(amounts(got.GetNotifications()), want) {
		t.Errorf("got %v, want %v", got, want)
	}
	_, err := b.server.ListInbox(t.Context(), &bankv1.ListInboxRequest{CustomerId: "c1", AsOfPosition: "x"})
	refused(t, err, codes.InvalidArgument, query.ReasonBadToken, "as_of_position")
	if _, err := b.server.ListInbox(t.Context(), &bankv1.ListInboxRequest{CustomerId: "c1", MinPosition: "x"}); !errors.Is(err, position.ErrToken) {
		t.Errorf("got %v, want ErrToken", err)
	}
}
