package creditscore_test

import (
	"slices"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/refold/refold/schemas/api/bankv1"
	"github.com/refold/refold/schemas/event"
	"github.com/refold/refold/services/query"
)

func TestScoreIsTheSumOfItsFactors(t *testing.T) {
	b := newBank(t)
	seen := b.commit(b.opened(day(1)), b.posted(day(40), event.EntrySalary, 1000), b.posted(day(70), event.EntryWithdrawal, -1200), b.rejected(day(71)))
	got, err := b.server.GetScore(t.Context(), &bankv1.GetScoreRequest{CustomerId: "c1", MinPosition: seen})
	if err != nil {
		t.Fatal(err)
	}
	if got.GetCustomerId() != "c1" || got.GetDay() != "2014-03-12" || got.GetModelVersion() != 1 || got.GetChangedByEventId() != "event-4" {
		t.Errorf("got %v", got)
	}
	sum, most := int32(300), int32(300)
	words := make(map[string]string)
	for _, f := range got.GetFactors() {
		sum, most = sum+f.GetPoints(), most+f.GetMaxPoints()
		words[f.GetName()] = f.GetWords()
	}
	if f := got.GetFactors()[0]; f.GetName() != "floor" || !f.GetKnown() || f.GetValue() >= 0 || f.GetPoints() != 0 || f.GetAbout() == "" {
		t.Errorf("got %v of a balance below zero", f)
	}
	if got.GetScore() != sum || most != 850 || len(words) != 8 {
		t.Errorf("got score %d, %d factors that sum up to %d and at most %d, want 8 and 850", got.GetScore(), len(words), sum, most)
	}
	if r := got.GetReasons(); len(r) != 4 || r[0] != words["floor"] || slices.Contains(r, words["limits"]) {
		t.Errorf("got reasons %q", r)
	}
}

func TestScoreSaysHowFreshItIs(t *testing.T) {
	b := newBank(t)
	got, err := b.server.GetScore(t.Context(), &bankv1.GetScoreRequest{CustomerId: "c1", MinPosition: b.commit(b.opened(day(1)))})
	if f := got.GetFreshness(); err != nil || f.GetGeneration() != 1 || f.GetLagEvents() != 0 || f.GetPosition() == "" {
		t.Errorf("got freshness %v, %v", f, err)
	}
}

func TestScoreOfALaterDay(t *testing.T) {
	b := newBank(t)
	seen := b.commit(b.opened(day(1)), b.posted(day(40), event.EntryDeposit, 1000))
	ask := &bankv1.GetScoreRequest{CustomerId: "c1", MinPosition: seen}
	now, err := b.server.GetScore(t.Context(), ask)
	if err != nil {
		t.Fatal(err)
	}
	ask.AsOf = timestamppb.New(day(400))
	later, err := b.server.GetScore(t.Context(), ask)
	if err != nil || later.GetDay() != "2015-02-04" || later.GetScore() == now.GetScore() {
		t.Errorf("got %v, %v, want another score than %d", later, err, now.GetScore())
	}
	ask.AsOf = timestamppb.New(day(40))
	if again, err := b.server.GetScore(t.Context(), ask); err != nil || again.GetScore() != now.GetScore() {
		t.Errorf("got %v, %v, want the score of the last day", again, err)
	}
	for _, bad := range []*timestamppb.Timestamp{timestamppb.New(day(39)), {Nanos: -1}} {
		ask.AsOf = bad
		_, err := b.server.GetScore(t.Context(), ask)
		refused(t, err, codes.InvalidArgument, query.ReasonMalformed, "as_of")
	}
}
