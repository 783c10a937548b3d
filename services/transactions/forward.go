package transactions

import (
	"context"
	"errors"
	"fmt"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	grpccodes "google.golang.org/grpc/codes"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	"github.com/refold/refold/schemas/api/bankv1"
	"github.com/refold/refold/streams/group"
	"github.com/refold/refold/streams/journal"
)

// Any instance takes any request. What is not owned here is sent on to the owner, whom the journal's group
// names. That may be over: a hop, which is never sent on again, is then answered with ErrNotOwner, and who
// sent it looks the owner up again. A hop whose answer is lost may be sent again too, since every command has
// its idempotency key: so a wrong hop costs time, and never more.

const (
	// triesEvery is between two tries of a request.
	triesEvery = 25 * time.Millisecond
	// ownersAge is how long who owns what is believed until it turns out to be wrong.
	ownersAge = 5 * time.Second
)

// Peers are the other instances of the service.
type Peers interface {
	// Conn returns a connection to an address, through which calls are hops for the principal of their
	// context.
	Conn(address string) (grpc.ClientConnInterface, error)
}

// errand is what is to be done by the owner of a partition.
type errand struct {
	partition int32
	// here does it, where this process is the owner. Otherwise it is journal.ErrNotOwner.
	here func(context.Context) error
	// there asks a peer to do it.
	there func(context.Context, bankv1.TransactionsServiceClient, ...grpc.CallOption) error
}

// run does an errand wherever it is to be done. Its error is journal.ErrNotOwner only where it certainly was
// not done, and journal.ErrUnavailable where it may have been.
func (s *Server) run(ctx context.Context, e errand) error {
	err := e.here(ctx)
	if !errors.Is(err, journal.ErrNotOwner) || !s.forwards(ctx) {
		return err
	}
	trying, cancel := context.WithTimeout(ctx, s.cfg.Patience)
	defer cancel()
	var lost error
	for age := ownersAge; ; age = triesEvery {
		err = s.askOwner(trying, e, age)
		if errors.Is(err, journal.ErrUnavailable) {
			lost = err
		} else if !errors.Is(err, journal.ErrNotOwner) || errors.Is(err, group.ErrNobody) {
			return verdict(err, lost)
		}
		if !pause(trying, triesEvery) {
			break
		}
		if err = e.here(ctx); !errors.Is(err, journal.ErrNotOwner) {
			return verdict(err, lost)
		}
	}
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("forward to the owner of partition %d: %w", e.partition, errors.Join(ctx.Err(), lost))
	}
	return verdict(err, lost)
}

// verdict is what a caller is told: not that nothing happened, where an earlier try was lost on its way.
func verdict(err, lost error) error {
	nothing := errors.Is(err, journal.ErrNotOwner) || errors.Is(err, journal.ErrBusy) || peerReason(err) == reasonBusy
	if lost != nil && nothing {
		return lost
	}
	return err
}

// forwards reports whether what is not owned here is sent on: a hop never is.
func (s *Server) forwards(ctx context.Context) bool { return s.cfg.Peers != nil && !s.cfg.Hop(ctx) }

// askOwner asks the owner that was named at most age ago.
func (s *Server) askOwner(ctx context.Context, e errand, age time.Duration) error {
	owner, err := s.owner(ctx, e.partition, age)
	if err != nil {
		return err
	}
	// The text of a driver is told to nobody, so its error is not wrapped.
	var reached peer.Peer
	err = e.there(ctx, owner, grpc.Peer(&reached))
	switch {
	case err == nil || !repeatable(err):
		return err
	case peerReason(err) == reasonNotOwner || reached.Addr == nil: // nothing was sent without a connection
		return fmt.Errorf("forward to the owner of partition %d: %w: %s", e.partition, journal.ErrNotOwner, err.Error())
	}
	return fmt.Errorf("forward to the owner of partition %d: %w: %s", e.partition, journal.ErrUnavailable, err.Error())
}

// owner returns the owner of a partition that was named at most age ago. It is journal.ErrNotOwner where none
// is known.
func (s *Server) owner(ctx context.Context, partition int32, age time.Duration) (bankv1.TransactionsServiceClient, error) {
	address, err := s.cfg.Journal.Owner(ctx, partition, age)
	if err != nil || address == "" {
		return nil, fmt.Errorf("find the owner of partition %d: %w", partition, errors.Join(journal.ErrNotOwner, err))
	}
	conn, err := s.cfg.Peers.Conn(address)
	if err != nil {
		return nil, err
	}
	return bankv1.NewTransactionsServiceClient(conn), nil
}

// Reasons of a peer, as the gateway before it gives them.
const (
	reasonNotOwner = "NOT_OWNER"
	reasonBusy     = "BUSY"
)

// repeatable reports whether a hop that failed may be sent again: its answer says so, or was lost. What gives no
// reason is no answer of a peer, whatever its code.
func repeatable(err error) bool {
	switch status.Code(err) {
	case grpccodes.Unavailable:
		return peerReason(err) != reasonBusy
	case grpccodes.Canceled, grpccodes.DeadlineExceeded:
		return true
	}
	return peerReason(err) == ""
}

// peerReason returns the reason that a peer gave, "" where it gave none.
func peerReason(err error) string {
	for _, detail := range status.Convert(err).Details() {
		if info, ok := detail.(*errdetails.ErrorInfo); ok {
			return info.GetReason()
		}
	}
	return ""
}

// pause waits. It is false where ctx ends first.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
