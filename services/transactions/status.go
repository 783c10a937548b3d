package transactions

import (
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	grpccodes "google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// GRPCStatus returns the refusal as callers are told it: its reason as an ErrorInfo, and the record of a
// recorded one.
func (r *Refusal) GRPCStatus() *status.Status {
	s := status.New(r.code(), r.Detail)
	info := &errdetails.ErrorInfo{Reason: r.Reason, Domain: "refold"}
	if r.Replayed {
		info.Metadata = map[string]string{"replayed": "true"}
	}
	detailed, err := s.WithDetails(info)
	if err == nil && r.Record != nil {
		detailed, err = detailed.WithDetails(r.Record)
	}
	if err != nil {
		return s // messages that cannot be packed are a programmer's mistake; the code still stands
	}
	return detailed
}

func (r *Refusal) code() grpccodes.Code {
	switch r.Reason {
	case ReasonMalformed, ReasonCurrencyUnknown, ReasonOccurredAt, ReasonExpiresAt:
		return grpccodes.InvalidArgument
	case ReasonAccountNotFound, ReasonHoldNotFound, ReasonEntryNotFound, ReasonKeyNotFound, ReasonTransferNotFound:
		return grpccodes.NotFound
	case ReasonAccountExists, ReasonKeyReused:
		return grpccodes.AlreadyExists
	}
	return grpccodes.FailedPrecondition
}
