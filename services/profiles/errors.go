package profiles

import (
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Reasons of refusals. They are stable: programs may branch on them.
const (
	// ReasonCustomerNotFound says that the customer never set preferences, and has no account.
	ReasonCustomerNotFound = "CUSTOMER_NOT_FOUND"
	// ReasonKeyReused says that the idempotency key stands for other preferences.
	ReasonKeyReused = "IDEMPOTENCY_KEY_REUSED"
	// ReasonConflict says that others set preferences of the customer all the while: nothing was set.
	ReasonConflict = "CONFLICT"
)

// refused returns an error with a reason.
func refused(c codes.Code, reason, text string) error {
	st, err := status.New(c, text).WithDetails(&errdetails.ErrorInfo{Reason: reason, Domain: "refold"})
	if err != nil {
		return err
	}
	return st.Err()
}
