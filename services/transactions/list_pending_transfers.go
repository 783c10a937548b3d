package transactions

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/refold/refold/projections/ledger"
	"github.com/refold/refold/schemas/api/bankv1"
	"github.com/refold/refold/schemas/event"
)

// maxPending bounds the transfers of one answer.
const maxPending = 1_000

// ListPendingTransfers implements bankv1.TransactionsServiceServer. It answers from the rows as they are here.
func (s *Server) ListPendingTransfers(ctx context.Context, r *bankv1.ListPendingTransfersRequest) (*bankv1.ListPendingTransfersResponse, error) {
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
