package control_test

import (
	"errors"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/refold/refold/projections/spending"
	"github.com/refold/refold/projections/store/memory"
	"github.com/refold/refold/projections/trail"
	"github.com/refold/refold/schemas/api/refoldv1"
	"github.com/refold/refold/schemas/event"
	"github.com/refold/refold/streams/position"
)

// Why tells the events of a row page by page, and of a row as it was only those of then.
func TestWhy(t *testing.T) {
	b := newBank(t)
	b.post()
	for range 3 {
		b.commit("c1", event.NameEntryPosted, &event.EntryPosted{
			Envelope: event.Envelope{CustomerID: "c1"}, Kind: event.EntryFee,
			Legs: []event.Leg{{AccountID: "c1.card", AmountMinor: -1, Currency: "EUR"}},
		})
	}
	s, stop := b.run(memory.New(), trail.Definition(), spending.Definition())
	defer stop()
	b.folded(s, trail.Name)
	b.folded(s, spending.Name)
	r := &refoldv1.WhyRequest{Projection: spending.Name, PartitionKey: "c1", SortKey: "1970-01", PageSize: 1}
	var causes []*refoldv1.Cause
	var last *refoldv1.WhyResponse
	for more := true; more; more = r.PageToken != "" {
		var err error
		if last, err = s.Why(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		causes = append(causes, last.GetCauses()...)
		r.PageToken = last.GetNextPageToken()
	}
	if len(causes) < 2 || last.GetRow() == "" || last.GetFreshness().GetScanned() || last.GetFreshness().GetGeneration() != 1 {
		t.Fatalf("got %v of %v", causes, last)
	}
	for i, c := range causes {
		if !c.GetChanged() || c.GetEvent() != "bank.EntryPosted" || c.GetTopic() != "bank.transactions" || i > 0 && c.GetOffset() >= causes[i-1].GetOffset() {
			t.Errorf("got cause %d %v after %v", i, c, causes[max(i-1, 0)])
		}
	}
	at := position.Partition{Topic: causes[0].GetTopic(), Partition: causes[0].GetPartition()}
	r.AsOfPosition = position.Token{Positions: position.Vector{at: causes[0].GetOffset()}}.Encode()
	r.PageSize = 0
	was, err := s.Why(t.Context(), r)
	if err != nil || len(was.GetCauses()) != len(causes)-1 || was.GetRow() == last.GetRow() {
		t.Errorf("got %v, %v, want %d causes", was, err, len(causes)-1)
	}
}

func TestWhyRefuses(t *testing.T) {
	b := newBank(t)
	b.post()
	s, stop := b.run(memory.New(), spending.Definition())
	defer stop()
	b.folded(s, spending.Name)
	for _, key := range []string{"@world", "@world.99.EUR", "@world.-1.EUR"} {
		if _, err := s.Why(t.Context(), &refoldv1.WhyRequest{Projection: spending.Name, PartitionKey: key}); status.Code(err) != codes.InvalidArgument || !strings.Contains(err.Error(), "@world.3.EUR") {
			t.Errorf("%s: got %v", key, err)
		}
	}
	if _, err := s.Why(t.Context(), &refoldv1.WhyRequest{Projection: spending.Name, PartitionKey: "c1", PageToken: "x"}); !errors.Is(err, position.ErrToken) {
		t.Errorf("got %v, want %v", err, position.ErrToken)
	}
}
