package importer

import (
	"strings"
	"time"

	"github.com/refold/refold/schemas/api/bankv1"
	"github.com/refold/refold/schemas/money"
)

// birmingham reads the purchase-card transactions that Birmingham City Council publishes. The last four
// digits of the card stand for the account; an amount below zero is money that a merchant gave back.
func birmingham() Format {
	return Format{
		name:    "birmingham",
		columns: []string{"txn_id", "trans_date", "card_last4", "merchant", "amount_minor", "currency", "category"},
		kind:    bankv1.AccountKind_ACCOUNT_KIND_CARD,
		post:    postBirmingham,
	}
}

func postBirmingham(f []string) (*bankv1.PostEntryRequest, *refusal) {
	customer, bad := id("bcc-", f[2], "card_last4")
	if bad != nil {
		return nil, bad
	}
	occurred, bad := date(time.DateOnly, f[1])
	if bad != nil {
		return nil, bad
	}
	text, refund := strings.CutPrefix(f[4], "-")
	amount, err := money.ParseMinor(text, f[5])
	if err != nil {
		return nil, badAmount("amount_minor", err)
	}
	kind := bankv1.EntryKind_ENTRY_KIND_CARD_PURCHASE
	if refund {
		kind = bankv1.EntryKind_ENTRY_KIND_REFUND
	}
	return &bankv1.PostEntryRequest{
		IdempotencyKey: f[0],
		AccountId:      customer + ".card",
		Kind:           kind,
		AmountMinor:    amount,
		Currency:       f[5],
		OccurredAt:     occurred,
		Historical:     true,
		Merchant:       f[3],
		Category:       f[6],
	}, nil
}
