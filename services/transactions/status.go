package transactions

import (
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	grpccodes "google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"
)

// GRPCStatus returns the refusal as callers are told it: its reason as an ErrorInfo, the record of a recorded
// one, and the fields of a malformed one.
func (r *Refusal) GRPCStatus() *status.Status {
	s := status.New(r.code(), r.Detail)
	info := &errdetails.ErrorInfo{Reason: r.Reason, Domain: "refold"}
	if r.Replayed {
		info.Metadata = map[string]string{"replayed": "true"}
	}
	details := []protoadapt.MessageV1{info}
	if r.Record != nil {
		details = append(details, r.Record)
	}
	if len(r.Violations) > 0 {
		bad := new(errdetails.BadRequest)
		for _, v := range r.Violations {
			bad.FieldViolations = append(bad.FieldViolations, &errdetails.BadRequest_FieldViolation{
				Field: v.GetField(), Description: v.GetDescription(),
			})
		}
		details = append(details, bad)
	}
	detailed, err := s.WithDetails(details...)
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
