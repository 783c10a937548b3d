package reports_test

import (
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

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
	if err != nil {
		t.Fatal(err)
	}
	want := &bankv1.ListPendingResponse{
		Holds: []*bankv1.PendingHold{{
			HoldId: "h1", AmountMinor: 800, OccurredAt: timestamppb.New(day(2)), ExpiresAt: timestamppb.New(day(9)), Merchant: "a hotel", Category: "travel",
		}},
		Transfers: []*bankv1.PendingOutgoing{{TransferId: "t1", AmountMinor: 40, OccurredAt: timestamppb.New(day(3)), ToAccountId: "c9.main"}},
		HeldMinor: 800, OutgoingMinor: 40, Currency: "EUR", Freshness: got.GetFreshness(),
	}
	if !proto.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
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
