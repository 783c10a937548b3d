package transactions

import (
	"context"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/refold/refold/projections/harness"
	"github.com/refold/refold/projections/ledger"
	"github.com/refold/refold/schemas/api/bankv1"
	"github.com/refold/refold/streams/timeline"
)

// KW-16, I-REBUILD: the rows that the journal decides against are the same, whether the whole log is folded at
// once, or saved rows and what came after them, stopped, crashed and read again anywhere.
func TestKW16RowsAreThoseOfTheLog(t *testing.T) {
	b := newBank(t, 1)
	i := b.start()
	for _, account := range []string{"c1.main", "c1.other", "c2.main"} {
		i.open(account)
		i.posted(deposit(account, "in-"+account, 100))
	}
	purchase := withdrawal("c1.main", "buy", 30)
	purchase.Kind = bankv1.EntryKind_ENTRY_KIND_CARD_PURCHASE
	bought := i.posted(purchase)
	if _, err := i.post(withdrawal("c2.main", "too much", 1000)); reasonOf(t, err) != ReasonInsufficientFunds {
		t.Errorf("got %v, want a refusal", err)
	}
	var held *bankv1.PlaceHoldResponse
	for _, do := range []func(context.Context) error{
		func(ctx context.Context) (err error) {
			held, err = i.PlaceHold(ctx, &bankv1.PlaceHoldRequest{IdempotencyKey: "hold", AccountId: "c1.main", AmountMinor: 20, Currency: "EUR"})
			return err
		},
		func(ctx context.Context) error {
			_, err := i.CaptureHold(ctx, &bankv1.CaptureHoldRequest{IdempotencyKey: "capture", AccountId: "c1.main", HoldId: held.GetHoldId(), AmountMinor: 15})
			return err
		},
		func(ctx context.Context) error {
			_, err := i.ReverseEntry(ctx, &bankv1.ReverseEntryRequest{IdempotencyKey: "back", AccountId: "c1.main", EntryId: bought.GetRecord().GetEventId()})
			return err
		},
		func(ctx context.Context) error {
			_, err := i.Transfer(ctx, &bankv1.TransferRequest{IdempotencyKey: "move", AccountId: "c1.main", ToAccountId: "c2.main", AmountMinor: 5, Currency: "EUR"})
			return err
		},
		func(ctx context.Context) error {
			_, err := i.FreezeAccount(ctx, &bankv1.FreezeAccountRequest{IdempotencyKey: "stop", AccountId: "c1.other", Reason: "asked for"})
			return err
		},
	} {
		i.retried(do)
	}
	var records []*timeline.Record
	b.read(func(rec *kgo.Record, _ fact) { records = append(records, rec) })
	harness.Run(t, ledger.Definition(), b.codec, records)
}
