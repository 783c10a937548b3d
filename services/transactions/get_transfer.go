package transactions

import (
	"context"
	"fmt"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/refold/refold/projections/ledger"
	"github.com/refold/refold/schemas/api/bankv1"
	"github.com/refold/refold/schemas/event"
	"github.com/refold/refold/streams/position"
)

// GetTransfer implements bankv1.TransactionsServiceServer. It answers from the rows as they are here, once they
// are as far as the caller's position.
func (s *Server) GetTransfer(ctx context.Context, r *bankv1.GetTransferRequest) (*bankv1.GetTransferResponse, error) {
	p := s.home(r.GetAccountId())
	offset, err := position.Wanted(r.GetMinPosition(), position.Partition{Topic: s.cfg.Topic, Partition: p})
	if err != nil {
		return nil, fmt.Errorf("min_position: %w", err)
	}
	if err := s.cfg.Ledger.Wait(ctx, p, offset); err != nil {
		return nil, fmt.Errorf("wait for position %d of partition %d: %w", offset, p, err)
	}
	v := s.saved(ctx, p)
	out := v.transfer(r.GetAccountId(), r.GetTransferId())
	switch {
	case v.err != nil:
		return nil, v.err
	case out == nil:
		return nil, &Refusal{
			Reason: ReasonTransferNotFound,
			Detail: fmt.Sprintf("account %s has sent no transfer %s", r.GetAccountId(), r.GetTransferId()),
		}
	}
	return &bankv1.GetTransferResponse{Transfer: out}, nil
}

// transfer returns what is recorded of a transfer in the partition of its payer; nil where there is none.
func (v *view) transfer(account, id string) *bankv1.TransferStatus {
	customer, _ := customerOf(account)
	e, _ := v.entry(customer, id)
	if e == nil || e.Kind != event.EntryTransfer || e.TransferID != "" || len(e.Legs) != 2 || e.Legs[0].AccountID != account {
		return nil
	}
	out := &bankv1.TransferStatus{
		TransferId: id, FromAccountId: account, ToAccountId: e.Counterparty,
		AmountMinor: e.Legs[1].AmountMinor, Currency: e.Legs[1].Currency,
		State: bankv1.TransferState_TRANSFER_STATE_PENDING, SentAt: timestamppb.New(e.RecordedAt.Time()),
	}
	if !sent(e) { // both accounts are here
		out.ToAccountId = e.Legs[1].AccountID
		out.State, out.EndedAt = bankv1.TransferState_TRANSFER_STATE_SETTLED, out.GetSentAt()
		return out
	}
	ended := v.outcome(account, endKey+id)
	switch end := ended.(type) {
	case *event.TransferSettled:
		out.State = bankv1.TransferState_TRANSFER_STATE_SETTLED
	case *event.EntryPosted:
		out.State, out.Reason = bankv1.TransferState_TRANSFER_STATE_RETURNED, end.ReturnReason
	}
	if ended != nil {
		out.EndedAt = timestamppb.New(ended.Envelop().RecordedAt.Time())
	}
	return out
}

// outcome returns what is recorded for a key of an account's customer; nil where nothing is.
func (v *view) outcome(account, key string) fact {
	customer, _ := customerOf(account)
	o := v.row(ledger.OutcomeKey(customer, key)).Outcome
	if o == nil {
		return nil
	}
	return v.fact(o)
}
