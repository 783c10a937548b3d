package transactions

import (
	"fmt"
	"strings"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/status"

	"github.com/refold/refold/schemas/api/bankv1"
)

// Reasons of refusals. They are stable: programs may branch on them.
const (
	// Recorded: the answer to the key for ever. A failed precondition, unless said otherwise.

	ReasonAccountExists     = "ACCOUNT_EXISTS"            // already exists
	ReasonAccountNotFound   = "ACCOUNT_NOT_FOUND"         // not found
	ReasonAccountFrozen     = "ACCOUNT_FROZEN"            // no money leaves the account; or it was to be frozen again
	ReasonAccountNotFrozen  = "ACCOUNT_NOT_FROZEN"        // there is nothing to unfreeze
	ReasonAccountClosed     = "ACCOUNT_CLOSED"            // for ever: nothing is done with it any more
	ReasonBalanceNotZero    = "BALANCE_NOT_ZERO"          // an account that is not empty is not closed
	ReasonHoldsOpen         = "HOLDS_OPEN"                // an account with open holds is not closed
	ReasonTransfersPending  = "TRANSFERS_PENDING"         // an account with transfers on their way is not closed
	ReasonHoldNotFound      = "HOLD_NOT_FOUND"            // not found: the account has no such hold
	ReasonHoldCaptured      = "HOLD_ALREADY_CAPTURED"     // a hold ends once
	ReasonHoldReleased      = "HOLD_ALREADY_RELEASED"     // a hold ends once
	ReasonHoldExpired       = "HOLD_EXPIRED"              // a hold ends once
	ReasonHoldExceeded      = "AMOUNT_EXCEEDS_HOLD"       // a capture takes at most what is held
	ReasonTooManyHolds      = "TOO_MANY_HOLDS"            // an account has at most 100 open holds
	ReasonExpiresAt         = "EXPIRES_AT_OUT_OF_BOUNDS"  // invalid argument: past, or more than 90 days ahead
	ReasonEntryNotFound     = "ENTRY_NOT_FOUND"           // not found: the customer's account has no such entry
	ReasonEntryReversed     = "ENTRY_ALREADY_REVERSED"    // an entry is reversed once, and then not refunded
	ReasonNotReversible     = "ENTRY_NOT_REVERSIBLE"      // a reversal is not reversed
	ReasonEntryRefunded     = "ENTRY_REFUNDED"            // a purchase with refunds is not reversed: reverse them first
	ReasonNotRefundable     = "ENTRY_NOT_REFUNDABLE"      // only a card purchase of the account is refunded
	ReasonRefundExceeds     = "REFUND_EXCEEDS_PURCHASE"   // all refunds together give back no more than the purchase
	ReasonCurrencyUnknown   = "CURRENCY_UNKNOWN"          // invalid argument
	ReasonCurrencyMismatch  = "CURRENCY_MISMATCH"         // the account is in another currency
	ReasonInsufficientFunds = "INSUFFICIENT_FUNDS"        // the balance would fall below the overdraft limit
	ReasonDailyLimit        = "DAILY_LIMIT_EXCEEDED"      // more than may be taken in a day of the account's time zone
	ReasonAmountOverflow    = "AMOUNT_OVERFLOW"           // a balance would not fit into 64 bits
	ReasonOccurredAt        = "OCCURRED_AT_OUT_OF_BOUNDS" // before 1900, or more than 24 hours ahead

	// Not recorded.

	ReasonCrossPartition   = "ENTRY_CROSS_PARTITION"  // the legs of one entry live in different partitions; the key is not spent
	ReasonMalformed        = "MALFORMED"              // invalid argument: correct it, the key is not spent
	ReasonKeyReused        = "IDEMPOTENCY_KEY_REUSED" // already exists: the key stands for another command
	ReasonKeyNotFound      = "KEY_NOT_FOUND"          // not found: nothing is recorded for the key
	ReasonTransferNotFound = "TRANSFER_NOT_FOUND"     // not found: the account has sent no such transfer
)

// Refusal is the error of a command that was not accepted, or of a question that has no answer.
type Refusal struct {
	// Reason is one of the constants above.
	Reason string
	// Detail is the reason in a sentence, made of the command and the state of the account: it is meant
	// for whoever sent the command.
	Detail string
	// Record names the rejection in the journal; nil where none was recorded.
	Record *bankv1.Record
	// Replayed says that the key was answered so before.
	Replayed bool
	// Violations are what is wrong with a malformed command, by field.
	Violations []*bankv1.Violation
}

func (r *Refusal) Error() string { return r.Reason + ": " + r.Detail }

// malformed refuses a command for one field: the text begins with its path and a colon.
func malformed(format string, args ...any) *Refusal {
	detail := fmt.Sprintf(format, args...)
	field, description, _ := strings.Cut(detail, ": ")
	return &Refusal{
		Reason: ReasonMalformed, Detail: detail,
		Violations: []*bankv1.Violation{{Field: field, Description: description}},
	}
}

// broken refuses a command that breaks the rules of its schema, as the check of the rules says it.
func broken(err error) *Refusal {
	out := &Refusal{Reason: ReasonMalformed, Detail: err.Error()}
	for _, d := range status.Convert(err).Details() {
		bad, ok := d.(*errdetails.BadRequest)
		if !ok {
			continue
		}
		for _, v := range bad.GetFieldViolations() {
			out.Violations = append(out.Violations, &bankv1.Violation{Field: v.GetField(), Description: v.GetDescription()})
		}
	}
	return out
}
