package reports_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/refold/refold/schemas/api/bankv1"
	"github.com/refold/refold/schemas/event"
	"github.com/refold/refold/services/query"
)

// bought is a purchase from a merchant in the middle of a month of 2014.
func (b *bank) bought(month int, merchant string, minor int64) *event.EntryPosted {
	e := b.posted("c1.main", time.Date(2014, time.Month(month), 15, 0, 0, 0, 0, time.UTC), event.EntryCardPurchase, "groceries", -minor)
	e.Merchant = merchant
	return e
}

func TestMerchants(t *testing.T) {
	b := newBank(t)
	seen := b.commit(opened("c1.main", event.AccountCard),
		b.bought(1, "a", 10), b.bought(1, "b", 300), b.bought(2, "a", 20), b.bought(2, "c", 30), b.bought(3, "d", 7), b.bought(3, "e", 7))
	list := func(r *bankv1.ListMerchantsRequest) (out []string) {
		t.Helper()
		r.CustomerId, r.MinPosition = "c1", seen
		for {
			got, err := b.server.ListMerchants(t.Context(), r)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range got.GetMerchants() {
				out = append(out, fmt.Sprint(m.GetMerchant(), m.GetSpentMinor(), m.GetCurrency(), m.GetEntries()))
			}
			if r.PageToken = got.GetNextPageToken(); r.PageToken == "" {
				return out
			}
			if len(got.GetMerchants()) != int(r.GetPageSize()) {
				t.Errorf("got %v on a page that is not the last", got)
			}
		}
	}
	all := []string{"b300EUR1", "a30EUR2", "c30EUR1", "d7EUR1", "e7EUR1"}
	for _, c := range []struct {
		r    *bankv1.ListMerchantsRequest
		want []string
	}{
		{&bankv1.ListMerchantsRequest{}, all},
		{&bankv1.ListMerchantsRequest{PageSize: 1}, all},
		{&bankv1.ListMerchantsRequest{PageSize: 2}, all},
		{&bankv1.ListMerchantsRequest{From: "2014-02", To: "2014-02"}, []string{"c30EUR1", "a20EUR1"}},
		{&bankv1.ListMerchantsRequest{From: "2014-04"}, nil},
	} {
		if got := list(c.r); !slices.Equal(got, c.want) {
			t.Errorf("%v: got %v, want %v", c.r, got, c.want)
		}
	}
	one, err := b.server.ListMerchants(t.Context(), &bankv1.ListMerchantsRequest{CustomerId: "c1", PageSize: 1, MinPosition: seen})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range []*bankv1.ListMerchantsRequest{
		{CustomerId: "c1", PageToken: "x"}, {CustomerId: "c2", PageToken: one.GetNextPageToken()}, {CustomerId: "c1", To: "2014-09", PageToken: one.GetNextPageToken()},
	} {
		_, err := b.server.ListMerchants(t.Context(), r)
		refused(t, err, codes.InvalidArgument, query.ReasonBadToken)
	}
	_, err = b.server.ListMerchants(t.Context(), &bankv1.ListMerchantsRequest{CustomerId: "c1", From: "2014-02", To: "2014-01"})
	refused(t, err, codes.InvalidArgument, query.ReasonMalformed)
}

func TestRecurringPayments(t *testing.T) {
	b := newBank(t)
	facts := []any{opened("c1.main", event.AccountCard), b.bought(3, "once", 5)}
	for month := range 14 {
		facts = append(facts, b.bought(1+month, "rent", 1000))
	}
	seen := b.commit(facts...)
	got, err := b.server.ListRecurringPayments(t.Context(), &bankv1.ListRecurringPaymentsRequest{CustomerId: "c1", MinPosition: seen})
	if err != nil || len(got.GetPayments()) != 1 {
		t.Fatalf("got %v, %v, want one payment", got, err)
	}
	if p := got.GetPayments()[0]; p.GetMerchant() != "rent" || p.GetCurrency() != "EUR" || p.GetMonths() != 12 || p.GetLastMonth() != "2015-02" || p.GetLastMinor() != 1000 {
		t.Errorf("got %v", p)
	}
}
