package reports_test

import (
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/refold/refold/schemas/api/bankv1"
	"github.com/refold/refold/schemas/event"
	"github.com/refold/refold/services/reports"
)

func TestPending(t *testing.T) {
	b := newBank(t)
	envelope := event.Envelope{EventID: "h1", CustomerID: "c1", OccurredAt: event.MicrosOf(day(2))}
	none := b.commit(opened("c1.main", event.AccountCard))
	sent := b.posted("c1.main", day(3), event.EntryTransfer, "", -40)
	sent.EventID, sent.Counterparty = "t1", "c9.main"
	seen := b.commit(
		&event.HoldPlaced{Envelope: envelope, AccountID: "c1.main", AmountMinor: 800, Currency: "EUR", ExpiresAt: event.MicrosOf(day(9)), Merchant: "a hotel", Category: "travel"},
		sent)
	got, err := b.server.ListPending(t.Context(), &bankv1.ListPendingRequest{AccountId: "c1.main", MinPosition: seen})
	if err != nil || len(got.GetHolds()) != 1 || len(got.GetTransfers()) != 1 {
		t.Fatalf("got %v, %v, want a hold and a transfer", got, err)
	}
	h, out := got.GetHolds()[0], got.GetTransfers()[0]
	if h.GetHoldId() != "h1" || h.GetAmountMinor() != 800 || !h.GetOccurredAt().AsTime().Equal(day(2)) || !h.GetExpiresAt().AsTime().Equal(day(9)) || h.GetMerchant() != "a hotel" || h.GetCategory() != "travel" {
		t.Errorf("got %v", h)
	}
	if out.GetTransferId() != "t1" || out.GetAmountMinor() != 40 || !out.GetOccurredAt().AsTime().Equal(day(3)) || out.GetToAccountId() != "c9.main" {
		t.Errorf("got %v", out)
	}
	if got.GetHeldMinor() != 800 || got.GetOutgoingMinor() != 40 || got.GetCurrency() != "EUR" || got.GetFreshness().GetGeneration() != 1 {
		t.Errorf("got %v", got)
	}
	// The other partition has received it, and the hold is over.
	seen = b.commit(
		&event.TransferSettled{Envelope: envelope, AccountID: "c1.main", TransferID: "t1", Counterparty: "c9.main", AmountMinor: 40, Currency: "EUR"},
		&event.HoldExpired{Envelope: envelope, AccountID: "c1.main", HoldID: "h1", AmountMinor: 800})
	for name, r := range map[string]*bankv1.ListPendingRequest{"after": {AccountId: "c1.main", MinPosition: seen}, "before": {AccountId: "c1.main", AsOfPosition: none}} {
		got, err := b.server.ListPending(t.Context(), r)
		if err != nil || len(got.GetHolds())+len(got.GetTransfers()) != 0 || got.GetHeldMinor() != 0 || got.GetCurrency() != "EUR" {
			t.Errorf("%s: got %v, %v, want nothing", name, got, err)
		}
	}
	_, err = b.server.ListPending(t.Context(), &bankv1.ListPendingRequest{AccountId: "c1.none"})
	refused(t, err, codes.NotFound, reports.ReasonAccountNotFound)
}

func TestAccountsAsTheyWere(t *testing.T) {
	b := newBank(t)
	none := b.commit(opened("c1.main", event.AccountCard))
	b.commit(opened("c1.other", event.AccountCard), b.posted("c1.main", time.Unix(9, 0), event.EntryDeposit, "", 5))
	got, err := b.server.ListAccounts(t.Context(), &bankv1.ListAccountsRequest{CustomerId: "c1", AsOfPosition: none})
	if err != nil || len(got.GetAccounts()) != 1 || got.GetAccounts()[0].GetBalanceMinor() != 0 {
		t.Errorf("got %v, %v, want one empty account", got, err)
	}
}
