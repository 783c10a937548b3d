package reports_test

import (
	"testing"
	"time"

	"github.com/refold/refold/schemas/api/bankv1"
	"github.com/refold/refold/schemas/event"
)

func TestAccountsOfACustomer(t *testing.T) {
	b := newBank(t)
	seen := b.commit(opened("c1.b", event.AccountSavings), opened("c1.a", event.AccountCurrent), opened("c10.x", event.AccountCurrent),
		b.posted("c1.a", time.Unix(5, 0), event.EntryDeposit, "", 7))
	got, err := b.server.ListAccounts(t.Context(), &bankv1.ListAccountsRequest{CustomerId: "c1", MinPosition: seen})
	if err != nil {
		t.Fatal(err)
	}
	if a := got.GetAccounts(); len(a) != 2 || a[0].GetAccountId() != "c1.a" || a[0].GetBalanceMinor() != 7 || a[1].GetAccountId() != "c1.b" {
		t.Errorf("got %v, want c1.a and c1.b", a)
	}
	if got.GetFreshness().GetGeneration() != 1 {
		t.Errorf("got freshness %v", got.GetFreshness())
	}
	none, err := b.server.ListAccounts(t.Context(), &bankv1.ListAccountsRequest{CustomerId: "c1-nobody"})
	if err != nil || len(none.GetAccounts()) != 0 {
		t.Errorf("got %v, %v, want no accounts", none, err)
	}
}
