package importer

import (
	"github.com/refold/refold/schemas/api/bankv1"
	"github.com/refold/refold/schemas/money"
)

const sparkovCurrency = "USD"

// sparkovTime is RFC 3339 in UTC and nothing else.
const sparkovTime = "2006-01-02T15:04:05Z"

// sparkov reads the card transactions that the Sparkov generator makes up.
func sparkov() Format {
	return Format{
		name:    "sparkov",
		columns: []string{"trans_num", "acct_num", "ts_utc", "category", "amount_usd", "merchant"},
		kind:    bankv1.AccountKind_ACCOUNT_KIND_CARD,
		post:    postSparkov,
	}
}

func postSparkov(f []string) (*bankv1.PostEntryRequest, *refusal) {
	customer, bad := id("sparkov-", f[1], "acct_num")
	if bad != nil {
		return nil, bad
	}
	occurred, bad := date(sparkovTime, f[2])
	if bad != nil {
		return nil, bad
	}
	amount, err := money.Parse(f[4], sparkovCurrency)
	if err != nil {
		return nil, badAmount("amount_usd", err)
	}
	return &bankv1.PostEntryRequest{
		IdempotencyKey: f[0],
		AccountId:      customer + ".card",
		Kind:           bankv1.EntryKind_ENTRY_KIND_CARD_PURCHASE,
		AmountMinor:    amount,
		Currency:       sparkovCurrency,
		OccurredAt:     occurred,
		Historical:     true,
		Merchant:       f[5],
		Category:       f[3],
	}, nil
}
