package gateway

import (
	"context"
	"crypto/rand"
	"errors"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/code"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/refold/refold/projections/acts"
	"github.com/refold/refold/projections/engine"
	"github.com/refold/refold/streams/journal"
	"github.com/refold/refold/streams/note"
	"github.com/refold/refold/streams/position"
	"github.com/refold/refold/streams/timeline"
)

// domain is the domain of every ErrorInfo: reasons are unique in it, and stable.
const domain = "refold"

// Reasons that the gateway itself gives.
const (
	reasonMalformed  = "MALFORMED"
	reasonTooLarge   = "BODY_TOO_LARGE"
	reasonTooSlow    = "BODY_TOO_SLOW"
	reasonMediaType  = "UNSUPPORTED_MEDIA_TYPE"
	reasonActRefused = "ACT_REFUSED"
	reasonInternal   = "INTERNAL"
	// reasonNotWatchable and reasonTooManyStreams refuse a stream of events.
	reasonNotWatchable   = "NOT_WATCHABLE"
	reasonTooManyStreams = "TOO_MANY_STREAMS"
)

// errUnreachable says that REST did not reach the gRPC server, because the process starts or stops.
var errUnreachable = errors.New("the server starts or stops")

// spoken is an error that says itself what callers are told.
type spoken interface {
	error
	GRPCStatus() *status.Status
}

// meaning is what a sentinel means to callers.
type meaning struct {
	sentinel error
	code     codes.Code
	reason   string
	// retry is after how long it makes sense to try again; 0 where it does not.
	retry time.Duration
	// told says that callers are told the whole error, not just the sentinel.
	told bool
	// field says that the error begins with the name of a field and a colon.
	field bool
}

// meanings are in order: an error is what the first of its sentinels means. A projection that is behind
// says so with the deadline that ended the wait.
func meanings() []meaning {
	return []meaning{
		{sentinel: position.ErrToken, code: codes.InvalidArgument, reason: "BAD_TOKEN", told: true, field: true},
		{sentinel: engine.ErrUnknown, code: codes.NotFound, reason: "PROJECTION_NOT_FOUND", told: true},
		{sentinel: engine.ErrWish, code: codes.InvalidArgument, reason: "BAD_REPLAY", told: true},
		{sentinel: engine.ErrNoEffects, code: codes.FailedPrecondition, reason: "NO_EFFECTS", told: true},
		{sentinel: engine.ErrFuture, code: codes.InvalidArgument, reason: "IN_THE_FUTURE", told: true},
		{sentinel: engine.ErrImpure, code: codes.FailedPrecondition, reason: "FOLD_NOT_DETERMINISTIC", told: true},
		{sentinel: engine.ErrNotHere, code: codes.Unavailable, reason: "NOT_HERE", retry: time.Second},
		{sentinel: engine.ErrStuck, code: codes.FailedPrecondition, reason: "PROJECTION_STUCK"},
		{sentinel: timeline.ErrHole, code: codes.OutOfRange, reason: "HISTORY_GONE"},
		{sentinel: engine.ErrBehind, code: codes.DeadlineExceeded, reason: "PROJECTION_BEHIND", retry: time.Second},
		{sentinel: journal.ErrNotOwner, code: codes.Unavailable, reason: "NOT_OWNER", retry: time.Second},
		{sentinel: journal.ErrBusy, code: codes.Unavailable, reason: "BUSY", retry: time.Second},
		{sentinel: journal.ErrFull, code: codes.Unavailable, reason: "DISK_NEARLY_FULL", retry: 5 * time.Second},
		{sentinel: journal.ErrUnavailable, code: codes.Unavailable, reason: "OUTCOME_UNKNOWN", retry: time.Second},
		{sentinel: note.ErrUnknown, code: codes.Unavailable, reason: "OUTCOME_UNKNOWN", retry: time.Second},
		{sentinel: errUnreachable, code: codes.Unavailable, reason: "UNREACHABLE", retry: time.Second},
		{sentinel: context.DeadlineExceeded, code: codes.DeadlineExceeded, reason: "DEADLINE_EXCEEDED"},
		{sentinel: context.Canceled, code: codes.Canceled, reason: "CANCELLED"},
	}
}

// answer returns what a call answers with for an error, nil for none. It is the one place where errors
// become statuses.
func (s *Server) answer(method string, err error) error {
	if err == nil {
		return nil
	}
	var said spoken
	if errors.As(err, &said) && said.GRPCStatus().Code() != codes.OK {
		return withInfo(said.GRPCStatus()).Err()
	}
	if refusal, ok := acts.IsRefusal(err); ok {
		return detailed(codes.FailedPrecondition, refusal.Why, info(reasonActRefused)).Err()
	}
	for _, m := range meanings() {
		if !errors.Is(err, m.sentinel) {
			continue
		}
		if m.code == codes.Unavailable {
			s.cfg.Logger.Debug("a call was put off", "method", method, "error", err)
		}
		return m.status(err).Err()
	}
	id := rand.Text()
	s.cfg.Logger.Error("a call failed", "method", method, "correlation_id", id, "error", err)
	hidden := info(reasonInternal)
	hidden.Metadata = map[string]string{"correlation_id": id}
	return detailed(codes.Internal, "internal error", hidden).Err()
}

// Explain returns the reason of an error that a call of its own would be answered with, and the text.
func Explain(err error) (reason, text string) {
	for _, m := range meanings() {
		if errors.Is(err, m.sentinel) {
			return m.reason, m.text(err)
		}
	}
	return reasonInternal, "internal error"
}

// text is what callers are told of an error.
func (m meaning) text(err error) string {
	if m.told {
		return err.Error()
	}
	return m.sentinel.Error()
}

func (m meaning) status(err error) *status.Status {
	text := m.text(err)
	details := []protoadapt.MessageV1{info(m.reason)}
	if m.retry > 0 {
		details = append(details, &errdetails.RetryInfo{RetryDelay: durationpb.New(m.retry)})
	}
	if name, description, ok := strings.Cut(text, ": "); m.field && ok {
		details = append(details, &errdetails.BadRequest{FieldViolations: []*Violation{{Field: name, Description: description}}})
	}
	return detailed(m.code, text, details...)
}

func info(reason string) *errdetails.ErrorInfo {
	return &errdetails.ErrorInfo{Reason: reason, Domain: domain}
}

// detailed returns a status with details. Those of this package can always be put in.
func detailed(c codes.Code, text string, details ...protoadapt.MessageV1) *status.Status {
	plain := status.New(c, text)
	st, err := plain.WithDetails(details...)
	if err != nil {
		return plain
	}
	return st
}

// withInfo returns a status that has an ErrorInfo: its own, or one that names its code.
func withInfo(st *status.Status) *status.Status {
	if st.Code() == codes.OK || find[*errdetails.ErrorInfo](st) != nil {
		return st
	}
	reason := code.Code_name[int32(st.Code())]
	if st.Code() == codes.InvalidArgument {
		reason = reasonMalformed
	}
	out, err := st.WithDetails(info(reason))
	if err != nil {
		return st
	}
	return out
}

// find returns the first detail of a kind, the zero T where there is none.
func find[T any](st *status.Status) T {
	for _, d := range st.Details() {
		if found, ok := d.(T); ok {
			return found
		}
	}
	var none T
	return none
}
