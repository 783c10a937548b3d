package reports_test

import (
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

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

// What the bank spent as it was at the position of an answer, at the time of a record and between two, and before the
// first; each partition as it was then.
func TestLG20BankSpendingAsOf(t *testing.T) {
	b := newBank(t)
	first := topic.Of("c1", partitions)
	day := func(n int) time.Time { return time.Date(2014, 1, n, 0, 0, 0, 0, time.UTC) }
	buy := func(n int) any {
		b.on = (first + int32(n)) % 2
		account := map[int32]string{first: "c1.main", 1 - first: "c9.main"}[b.on]
		return recorded(b.posted(account, day(n), event.EntryCardPurchase, "fuel", -1), day(n))
	}
	ask := func(r *bankv1.GetBankSpendingRequest) *bankv1.GetBankSpendingResponse {
		t.Helper()
		got, err := b.server.GetBankSpending(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	var seen []string // the position of the answer after so many purchases
	for n := range 4 {
		if n > 0 {
			b.commit(buy(n))
		}
		until(t, "all is folded", func() bool {
			got, err := b.server.GetBankSpending(t.Context(), &bankv1.GetBankSpendingRequest{})
			return err == nil && got.GetFreshness().GetLagEvents() == 0 && bought(got) == int64(n)
		})
		seen = append(seen, ask(&bankv1.GetBankSpendingRequest{}).GetFreshness().GetPosition())
	}
	for n, at := range seen {
		got := ask(&bankv1.GetBankSpendingRequest{AsOfPosition: at})
		if bought(got) != int64(n) || !got.GetFreshness().GetScanned() && n > 0 {
			t.Errorf("at the position after %d purchases: got %v", n, got)
		}
	}
	for want, at := range map[int64]time.Time{0: day(1).Add(-time.Microsecond), 1: day(1), 2: day(3).Add(-time.Microsecond), 3: day(9)} {
		if got := ask(&bankv1.GetBankSpendingRequest{AsOfTime: timestamppb.New(at)}); bought(got) != want {
			t.Errorf("at %v: got %v, want %d purchases", at, got, want)
		}
	}
	one := position.Token{Positions: position.Vector{{Topic: topic.Transactions, Partition: first}: 1}}.Encode()
	for name, c := range map[string]struct {
		r             *bankv1.GetBankSpendingRequest
		reason, field string
	}{
		"both":          {&bankv1.GetBankSpendingRequest{AsOfPosition: seen[1], AsOfTime: timestamppb.New(day(1))}, query.ReasonMalformed, "as_of_time"},
		"and fresh":     {&bankv1.GetBankSpendingRequest{AsOfPosition: seen[1], MinPosition: seen[1]}, query.ReasonMalformed, "min_position"},
		"no time":       {&bankv1.GetBankSpendingRequest{AsOfTime: &timestamppb.Timestamp{Nanos: -1}}, query.ReasonMalformed, "as_of_time"},
		"no position":   {&bankv1.GetBankSpendingRequest{AsOfPosition: "x"}, query.ReasonBadToken, "as_of_position"},
		"one partition": {&bankv1.GetBankSpendingRequest{AsOfPosition: one}, query.ReasonBadToken, "as_of_position"},
	} {
		_, err := b.server.GetBankSpending(t.Context(), c.r)
		if err == nil {
			t.Errorf("%s: got no error", name)
			continue
		}
		refused(t, err, codes.InvalidArgument, c.reason)
		if !strings.HasPrefix(status.Convert(err).Message(), c.field+": ") {
			t.Errorf("%s: got %v, want it to name %s", name, err, c.field)
		}
	}
}

// bought returns how many entries an answer counts.
func bought(r *bankv1.GetBankSpendingResponse) (entries int64) {
	for _, m := range r.GetMonths() {
		for _, c := range m.GetCategories() {
			entries += c.GetEntries()
		}
	}
	return entries
}
