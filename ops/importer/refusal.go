package importer

import "fmt"

// Reasons for which a row is refused before it is sent, as they stand in the rejects file beside those of
// the server.
const (
	reasonMalformed = "MALFORMED_ROW"
	reasonCurrency  = "UNKNOWN_CURRENCY"
	reasonAmount    = "INVALID_AMOUNT"
	reasonDate      = "INVALID_DATE"
	reasonLimit     = "BEYOND_LIMIT"
)

// refusal is why one row is not in the bank.
type refusal struct {
	reason string
	detail string
}

func refuse(reason, format string, args ...any) *refusal {
	return &refusal{reason: reason, detail: fmt.Sprintf(format, args...)}
}
