package creditscore_test

import (
	"slices"
	"testing"

	"google.golang.org/grpc/codes"

	"github.com/refold/refold/schemas/api/bankv1"
	"github.com/refold/refold/services/query"
	"github.com/refold/refold/streams/position"
	"github.com/refold/refold/streams/topic"
)

// changing opens the account and changes its score on the three days that follow.
func (b *bank) changing() (seen string) {
	b.t.Helper()
	return b.commit(b.opened(day(1)), b.rejected(day(2)), b.rejected(day(3)), b.rejected(day(4)), b.rejected(day(5)))
}

func TestHistoryInPages(t *testing.T) {
	b := newBank(t)
	r := &bankv1.ListScoresRequest{CustomerId: "c1", MinPosition: b.changing(), PageSize: 2}
	var days []string
	var scores, offsets []int64
	for pages := 1; ; pages++ {
		got, err := b.server.ListScores(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range got.GetChanges() {
			days, scores, offsets = append(days, c.GetDay()), append(scores, int64(c.GetScore())), append(offsets, c.GetOffset())
			if c.GetPartition() != topic.Of("c1", partitions) {
				t.Errorf("got partition %d", c.GetPartition())
			}
		}
		if got.GetModelVersion() != 1 || got.GetFreshness().GetGeneration() != 1 {
			t.Errorf("got %v", got)
		}
		if r.PageToken = got.GetNextPageToken(); r.PageToken == "" {
			if pages != 2 {
				t.Errorf("got %d pages, want 2", pages)
			}
			break
		}
	}
	if want := []string{"2014-01-01", "2014-01-02", "2014-01-03", "2014-01-05"}; !slices.Equal(days, want) {
		t.Errorf("got days %v, want %v", days, want)
	}
	if slices.IsSorted(scores) || !slices.Equal(offsets, []int64{0, 1, 2, 4}) {
		t.Errorf("got scores %v at offsets %v, want falling ones at 0, 1, 2, 4", scores, offsets)
	}
}

func TestPagesThatAreNone(t *testing.T) {
	b := newBank(t)
	r := &bankv1.ListScoresRequest{CustomerId: "c1", MinPosition: b.changing(), PageSize: 1}
	good, err := b.server.ListScores(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []*bankv1.ListScoresRequest{
		{CustomerId: "c1", PageToken: "x"}, {CustomerId: "c2", PageToken: good.GetNextPageToken()},
		{CustomerId: "c1", PageToken: good.GetFreshness().GetPosition()},
	} {
		_, err := b.server.ListScores(t.Context(), bad)
		refused(t, err, codes.InvalidArgument, query.ReasonBadToken, "page_token")
	}
	gone := position.Page{Generation: 7, Next: 1, Last: "2014-01-02"}.Encode([]byte("c1"))
	_, err = b.server.ListScores(t.Context(), &bankv1.ListScoresRequest{CustomerId: "c1", PageToken: gone})
	refused(t, err, codes.Aborted, query.ReasonPageExpired)
}
