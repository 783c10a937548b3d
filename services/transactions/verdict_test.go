package transactions

import (
	"errors"
	"fmt"
	"testing"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	grpccodes "google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/refold/refold/schemas/api/bankv1"
	"github.com/refold/refold/streams/journal"
)

// peerError is what a peer answers with a reason; "" is an error that is not a peer's.
func peerError(code grpccodes.Code, reason string) error {
	s := status.New(code, "text")
	if reason != "" {
		s, _ = s.WithDetails(&errdetails.ErrorInfo{Reason: reason, Domain: "refold"})
	}
	return s.Err()
}

// A request that may have been decided by an earlier try is never answered by "nothing happened".
func TestLostTryIsNotForgotten(t *testing.T) {
	lost := fmt.Errorf("hop: %w", journal.ErrUnavailable)
	refused := &Refusal{Reason: ReasonInsufficientFunds}
	for name, c := range map[string]struct{ err, lost, want error }{
		"nobody owns it":     {journal.ErrNotOwner, lost, lost},
		"the queue is full":  {journal.ErrBusy, lost, lost},
		"that of a peer":     {peerError(grpccodes.Unavailable, reasonBusy), lost, lost},
		"it is refused":      {refused, lost, refused},
		"it is accepted":     {nil, lost, nil},
		"no try was lost":    {journal.ErrNotOwner, nil, journal.ErrNotOwner},
		"nor this one, busy": {journal.ErrBusy, nil, journal.ErrBusy},
	} {
		if got := verdict(c.err, c.lost); !errors.Is(got, c.want) {
			t.Errorf("%s: got %v, want %v", name, got, c.want)
		}
	}
}

func TestOnlyAReasonIsAnAnswer(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		want bool
	}{
		"a stream that was reset": {peerError(grpccodes.Internal, ""), true},
		"a failure of the peer":   {peerError(grpccodes.Internal, "INTERNAL"), false},
		"a refusal":               {peerError(grpccodes.FailedPrecondition, ReasonInsufficientFunds), false},
		"a lost connection":       {peerError(grpccodes.Unavailable, ""), true},
		"another owner":           {peerError(grpccodes.Unavailable, reasonNotOwner), true},
		"a full queue":            {peerError(grpccodes.Unavailable, reasonBusy), false},
	} {
		if got := repeatable(c.err); got != c.want {
			t.Errorf("%s: got %t, want %t", name, got, c.want)
		}
	}
}

func TestItemRemembersThatItMayBeDecided(t *testing.T) {
	it := &item{}
	it.failed(nil)
	for _, err := range []error{
		journal.ErrNotOwner, lostBy(&bankv1.Result{UnavailableReason: "OUTCOME_UNKNOWN"}), journal.ErrBusy, journal.ErrNotOwner, nil,
	} {
		it.failed(err)
	}
	if !errors.Is(it.lost, journal.ErrUnavailable) || it.since.IsZero() {
		t.Errorf("got %v, want that the outcome is unknown", it.lost)
	}
	if got := lostBy(&bankv1.Result{UnavailableReason: reasonNotOwner}); !errors.Is(got, journal.ErrNotOwner) {
		t.Errorf("got %v, want that nothing happened", got)
	}
}
