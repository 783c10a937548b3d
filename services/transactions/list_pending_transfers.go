package transactions

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/refold/refold/projections/engine"
	"github.com/refold/refold/projections/ledger"
	"github.com/refold/refold/schemas/api/bankv1"
	"github.com/refold/refold/schemas/event"
	"github.com/refold/refold/streams/group"
)

// maxPending bounds the transfers of one answer.
const maxPending = 1_000

// ListPendingTransfers implements bankv1.TransactionsServiceServer. It answers from the rows as they are here, where
// brokers can be asked: without them nobody knows what else is on its way.
func (s *Server) ListPendingTransfers(ctx context.Context, r *bankv1.ListPendingTransfersRequest) (*bankv1.ListPendingTransfersResponse, error) {
	if err := s.reachable(ctx); err != nil {
		return nil, err
	}
	var out []*bankv1.TransferStatus
	for p := range s.cfg.Partitions {
		v := s.saved(ctx, p)
		until := v.logTime() - event.Micros(r.GetOlderThan().AsDuration()/time.Microsecond)
		n := len(out)
		v.items(ledger.PendingTransfers, window{to: until}, func(i ledger.Item) bool {
			if t := v.transfer(i.AccountID, i.ID); t != nil {
				out = append(out, t)
			}
			return v.err == nil && len(out)-n < maxPending
		})
		if v.err != nil {
			return nil, v.err
		}
	}
	slices.SortStableFunc(out, func(a, b *bankv1.TransferStatus) int {
		return cmp.Compare(a.GetSentAt().AsTime().UnixMicro(), b.GetSentAt().AsTime().UnixMicro())
	})
	return &bankv1.ListPendingTransfersResponse{Transfers: out[:min(len(out), maxPending)]}, nil
}

// reachable fails where no broker answers.
func (s *Server) reachable(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.Patience)
	defer cancel()
	_, err := s.cfg.Journal.Owner(ctx, 0, 0)
	if err != nil && !errors.Is(err, group.ErrNobody) {
		return fmt.Errorf("%w: no broker tells where the log ends: %w", engine.ErrBehind, err)
	}
	return nil
}
