package event

import "strings"

// Home returns the home customer of an account id: the part before its dot. The bank's own accounts and
// whatever is no account id have none.
func Home(account string) (customer string, ok bool) {
	customer, _, ok = strings.Cut(account, ".")
	return customer, ok && customer != "" && !Internal(account)
}

// Internal tells whether an account is one of the bank's own.
func Internal(account string) bool { return strings.HasPrefix(account, "@") }
