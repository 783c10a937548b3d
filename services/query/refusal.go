package query

import (
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"
)

// Reasons of refusals that several services have. They are stable: programs may branch on them.
const (
	// ReasonCustomerNotFound says that nothing is known of such a customer up to the position of the answer.
	ReasonCustomerNotFound = "CUSTOMER_NOT_FOUND"
	// ReasonMalformed says that a field of the request is wrong; the details name it.
	ReasonMalformed = "MALFORMED"
	// ReasonBadToken says that a page token was changed, or is one of another question.
	ReasonBadToken = "BAD_TOKEN"
	// ReasonPageExpired says that the rows of the pages before are gone: begin with the first page.
	ReasonPageExpired = "PAGE_EXPIRED"
)

// Refused returns an error with a reason.
func Refused(c codes.Code, reason, text string, details ...protoadapt.MessageV1) error {
	details = append(details, &errdetails.ErrorInfo{Reason: reason, Domain: "refold"})
	st, err := status.New(c, text).WithDetails(details...)
	if err != nil {
		return err
	}
	return st.Err()
}

// Wrong returns the error of a request whose field is wrong.
func Wrong(reason, field, description string) error {
	return Refused(codes.InvalidArgument, reason, field+": "+description, &errdetails.BadRequest{
		FieldViolations: []*errdetails.BadRequest_FieldViolation{{Field: field, Description: description}},
	})
}
