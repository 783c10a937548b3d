package importer

import (
	"strings"
	"unicode/utf8"

	"github.com/refold/refold/schemas/api/bankv1"
)

// Limits of the API (bank/v1/transactions.proto). They are held here too, so that a row beyond them is
// refused with the column's words and one such row cannot make a message unsendable.
const (
	maxKey        = 255
	maxCustomer   = 64
	maxMerchant   = 200
	maxCategory   = 100
	maxAmount     = 1_000_000_000_000_000
	overdraftOpen = 1_000_000_000_000
	keyOpen       = "open"
)

// checkLimits refuses a command that the API would call malformed, and one whose key is that of the
// opening of its account.
func checkLimits(p *bankv1.PostEntryRequest) *refusal {
	switch {
	case !isKey(p.IdempotencyKey):
		return refuse(reasonLimit, "id %q is not 1 to %d printable ASCII characters without spaces", p.IdempotencyKey, maxKey)
	case p.IdempotencyKey == keyOpen:
		return refuse(reasonLimit, "id %q is the key under which accounts are opened", p.IdempotencyKey)
	case !isAccount(p.AccountId):
		return refuse(reasonLimit, "account id %q is not letters, digits, underscores and hyphens, at most %d before the dot", p.AccountId, maxCustomer)
	case p.AmountMinor == 0:
		return refuse(reasonAmount, "the amount is zero")
	case p.AmountMinor < 0:
		return refuse(reasonAmount, "the amount is %d, below zero", p.AmountMinor)
	case p.AmountMinor > maxAmount:
		return refuse(reasonAmount, "the amount is %d minor units, more than %d", p.AmountMinor, maxAmount)
	case p.OccurredAt.CheckValid() != nil:
		return refuse(reasonDate, "the date is before the year 1")
	}
	if bad := checkText("merchant", p.Merchant, maxMerchant); bad != nil {
		return bad
	}
	return checkText("category", p.Category, maxCategory)
}

// checkText refuses what does not fit. A text that is not UTF-8 would make its whole message unsendable.
func checkText(column, text string, limit int) *refusal {
	if !utf8.ValidString(text) {
		return refuse(reasonMalformed, "%s is not UTF-8", column)
	}
	if len(text) > limit && utf8.RuneCountInString(text) > limit {
		return refuse(reasonLimit, "%s is longer than %d characters", column, limit)
	}
	return nil
}

func isKey(s string) bool {
	for i := range len(s) {
		if s[i] < '!' || s[i] > '~' {
			return false
		}
	}
	return s != "" && len(s) <= maxKey
}

// isAccount reports whether an account id of one of the formats is well formed. Its first character and
// the name behind the dot are the formats' own, so that only the customer's id can be wrong.
func isAccount(s string) bool {
	customer, name, _ := strings.Cut(s, ".")
	return len(customer) <= maxCustomer && !strings.ContainsFunc(customer, isForeign) && !strings.Contains(name, ".")
}

// isForeign reports whether a character has no place in an id.
func isForeign(c rune) bool {
	return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '_' && c != '-'
}
