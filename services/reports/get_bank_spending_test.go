package reports_test

import (
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"github.com/refold/refold/projections/engine"
	"github.com/refold/refold/projections/totals"
	"github.com/refold/refold/schemas/api/bankv1"
	"github.com/refold/refold/schemas/event"
	"github.com/refold/refold/services/query"
	"github.com/refold/refold/streams/position"
	"github.com/refold/refold/streams/topic"
)

// The bank's months are the sums of all partitions, and the position of the answer is of each.
func TestBankSpending(t *testing.T) {
	b := newBank(t)
	first := topic.Of("c1", partitions)
	at := time.Date(2014, 1, 15, 0, 0, 0, 0, time.UTC)
	b.on = 1 - first
	other := b.commit(opened("c9.main", event.AccountCard), b.posted("c9.main", at, event.EntryCardPurchase, "fuel", -30), b.posted("c9.main", at, event.EntryCardPurchase, "nobody knows", -1))
	b.on = first
	seen := b.commit(opened("c1.main", event.AccountCard), b.posted("c1.main", at, event.EntryCardPurchase, "fuel", -5), b.posted("c1.main", at.AddDate(0, 1, 0), event.EntryFee, "", -2))
	until(t, "all partitions are folded", func() bool {
		v, err := b.engine.View(t.Context(), engine.Query{Projection: totals.Name, Partition: 1 - first, MinOffset: b.broker.Ends(topic.Transactions)[1-first]})
		if err == nil {
			v.Close()
		}
		return err == nil
	})
	got, err := b.server.GetBankSpending(t.Context(), &bankv1.GetBankSpendingRequest{MinPosition: seen})
	if err != nil {
		t.Fatal(err)
	}
	spent := func(name string, minor, entries int64) *bankv1.CategorySpending {
		return &bankv1.CategorySpending{Category: name, Currency: "EUR", SpentMinor: minor, Entries: entries}
	}
	want := &bankv1.GetBankSpendingResponse{Freshness: got.GetFreshness(), Months: []*bankv1.BankMonth{
		{Month: "2014-01", Categories: []*bankv1.CategorySpending{spent("other", 1, 1), spent("fuel", 35, 2)}, UnknownEntries: 1},
		{Month: "2014-02", Categories: []*bankv1.CategorySpending{spent("fees", 2, 1)}},
	}}
	if !proto.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	where, err := position.Decode(got.GetFreshness().GetPosition())
	if err != nil || len(where.Positions) != partitions || where.Generation != 1 || got.GetFreshness().GetEventTime() == nil {
		t.Errorf("got position %v, %v", where, err)
	}
	got, err = b.server.GetBankSpending(t.Context(), &bankv1.GetBankSpendingRequest{From: "2014-02", To: "2014-02", MinPosition: other})
	if err != nil || len(got.GetMonths()) != 1 {
		t.Errorf("got %v, %v, want one month", got, err)
	}
	_, err = b.server.GetBankSpending(t.Context(), &bankv1.GetBankSpendingRequest{From: "2014-02", To: "2014-01"})
	refused(t, err, codes.InvalidArgument, query.ReasonMalformed)
}
