package importer

import (
	"cmp"
	"time"

	"github.com/refold/refold/schemas/api/bankv1"
	"github.com/refold/refold/schemas/money"
)

const berkaCurrency = "CZK"

// berka reads the transactions of the Czech bank that the PKDD'99 challenge published.
func berka() Format {
	return Format{
		name:    "berka",
		columns: []string{"account_id", "trans_id", "date", "direction", "operation", "purpose", "amount_minor"},
		kind:    bankv1.AccountKind_ACCOUNT_KIND_CURRENT,
		post:    postBerka,
	}
}

func postBerka(f []string) (*bankv1.PostEntryRequest, *refusal) {
	customer, bad := id("berka-", f[0], "account_id")
	if bad != nil {
		return nil, bad
	}
	key, bad := id("trans-", f[1], "trans_id")
	if bad != nil {
		return nil, bad
	}
	occurred, bad := date(time.DateOnly, f[2])
	if bad != nil {
		return nil, bad
	}
	kind, bad := berkaKind(f[3], f[5])
	if bad != nil {
		return nil, bad
	}
	amount, err := money.ParseMinor(f[6], berkaCurrency)
	if err != nil {
		return nil, badAmount("amount_minor", err)
	}
	return &bankv1.PostEntryRequest{
		IdempotencyKey: key,
		AccountId:      customer + ".current",
		Kind:           kind,
		AmountMinor:    amount,
		Currency:       berkaCurrency,
		OccurredAt:     occurred,
		Historical:     true,
		Category:       cmp.Or(f[5], f[4]),
	}, nil
}

func berkaKind(direction, purpose string) (bankv1.EntryKind, *refusal) {
	switch {
	case direction == "credit" && purpose == "interest_credited":
		return bankv1.EntryKind_ENTRY_KIND_INTEREST, nil
	case direction == "credit":
		return bankv1.EntryKind_ENTRY_KIND_DEPOSIT, nil
	case direction == "debit" && (purpose == "statement_fee" || purpose == "sanction_interest"):
		return bankv1.EntryKind_ENTRY_KIND_FEE, nil
	case direction == "debit":
		return bankv1.EntryKind_ENTRY_KIND_WITHDRAWAL, nil
	}
	return 0, refuse(reasonMalformed, "direction %q is neither credit nor debit", direction)
}
