package rewards_test

import (
	"slices"
	"testing"

	"google.golang.org/grpc/codes"

	"github.com/refold/refold/schemas/api/bankv1"
	"github.com/refold/refold/services/query"
	"github.com/refold/refold/streams/position"
)

// busy makes five entries.
func (b *bank) busy() (seen string) {
	b.t.Helper()
	return b.commit(b.bought(day(1), 10_000), b.bought(day(2), 5_000), b.redeemed(day(3), 30), b.redeemed(day(4), 121), b.bought(day(2*365+5), 200))
}

// The sum of the ledger is the balance.
func TestLedgerInPages(t *testing.T) {
	b := newBank(t)
	r := &bankv1.ListRewardEntriesRequest{CustomerId: "c1", MinPosition: b.busy(), PageSize: 2}
	var entries []*bankv1.RewardEntry
	for pages := 1; ; pages++ {
		got, err := b.server.ListRewardEntries(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		entries = append(entries, got.GetEntries()...)
		if got.GetRulesVersion() != 1 || got.GetFreshness().GetGeneration() != 1 {
			t.Errorf("got %v", got)
		}
		if r.PageToken = got.GetNextPageToken(); r.PageToken == "" {
			if pages != 3 {
				t.Errorf("got %d pages, want 3", pages)
			}
			break
		}
	}
	sum := int64(0)
	var kinds []bankv1.RewardEntryKind
	for _, e := range entries {
		sum += e.GetPoints() - e.GetExpired()
		kinds = append(kinds, e.GetKind())
	}
	want := []bankv1.RewardEntryKind{
		bankv1.RewardEntryKind_REWARD_ENTRY_KIND_EARNED, bankv1.RewardEntryKind_REWARD_ENTRY_KIND_REFUSED, bankv1.RewardEntryKind_REWARD_ENTRY_KIND_REDEEMED,
		bankv1.RewardEntryKind_REWARD_ENTRY_KIND_EARNED, bankv1.RewardEntryKind_REWARD_ENTRY_KIND_EARNED,
	}
	if !slices.Equal(kinds, want) || sum != 2 || entries[0].GetBalance() != 2 || entries[0].GetExpired() != 120 {
		t.Errorf("got %v with a sum of %d, want 2", entries, sum)
	}
	if e := entries[1]; e.GetEventId() != "event-4" || e.GetAsked() != 121 || e.GetPoints() != 0 || e.GetBalance() != 120 || !e.GetOccurredAt().AsTime().Equal(day(4)) {
		t.Errorf("got %v", e)
	}
}

func TestPagesThatAreNone(t *testing.T) {
	b := newBank(t)
	r := &bankv1.ListRewardEntriesRequest{CustomerId: "c1", MinPosition: b.busy(), PageSize: 1}
	good, err := b.server.ListRewardEntries(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []*bankv1.ListRewardEntriesRequest{
		{CustomerId: "c1", PageToken: "x"}, {CustomerId: "c2", PageToken: good.GetNextPageToken()},
		{CustomerId: "c1", PageToken: good.GetFreshness().GetPosition()},
		{CustomerId: "c1", PageToken: good.GetNextPageToken(), AsOfPosition: good.GetFreshness().GetPosition()},
	} {
		_, err := b.server.ListRewardEntries(t.Context(), bad)
		refused(t, err, codes.InvalidArgument, query.ReasonBadToken, "page_token")
	}
	gone := position.Page{Generation: 7, Next: 1, Last: "e"}.Encode([]byte("c1\x00\x00"))
	_, err = b.server.ListRewardEntries(t.Context(), &bankv1.ListRewardEntriesRequest{CustomerId: "c1", PageToken: gone})
	refused(t, err, codes.Aborted, query.ReasonPageExpired)
}
