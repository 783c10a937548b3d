package event

import (
	"strings"

	"github.com/refold/refold/schemas/money"
)

// Home returns the home customer of an account id: the part before its dot. The bank's own accounts and
// whatever is no account id have none.
func Home(account string) (customer string, ok bool) {
	customer, _, ok = strings.Cut(account, ".")
	return customer, ok && customer != "" && !Internal(account)
}

// Internal tells whether an account is one of the bank's own.
func Internal(account string) bool { return strings.HasPrefix(account, "@") }

// Unbalanced returns a currency in which legs do not sum to zero, or not within 64 bits.
func Unbalanced(legs []Leg) (currency string, found bool) {
	for i := range legs {
		sum, fits := int64(0), true
		for j := range legs {
			if fits && legs[j].Currency == legs[i].Currency {
				sum, fits = money.Add(sum, legs[j].AmountMinor)
			}
		}
		if sum != 0 || !fits {
			return legs[i].Currency, true
		}
	}
	return "", false
}
