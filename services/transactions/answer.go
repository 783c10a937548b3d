package transactions

import (
	"context"
	"strings"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/refold/refold/projections/ledger"
	"github.com/refold/refold/schemas/api/bankv1"
	"github.com/refold/refold/schemas/codec"
	"github.com/refold/refold/schemas/event"
	"github.com/refold/refold/streams/position"
)

// Outcome is what was recorded for a command. All answers to a key are made of the same record, and so are
// equal.
type Outcome struct {
	fact      fact // nil: nothing is recorded for the key of a question
	partition int32
	offset    int64
	replayed  bool
	reused    string // names a field in which the recorded command was another one
}

// recorded returns the outcome that a row of the ledger keeps.
func recorded(ctx context.Context, c *codec.Codec, partition int32, row *ledger.Outcome) (Outcome, error) {
	f, err := DecodeFact(ctx, c, row.Value)
	if err != nil {
		return Outcome{}, err
	}
	return Outcome{fact: f, partition: partition, offset: row.Offset, replayed: true}, nil
}

// refusal returns the error of an outcome that is one, or nil.
func (o *Outcome) refusal(topic string) *Refusal {
	if o.reused != "" {
		return &Refusal{
			Reason: ReasonKeyReused,
			Detail: "the idempotency key stands for another command already: " + o.reused + " differs",
		}
	}
	if o.fact == nil {
		return &Refusal{Reason: ReasonKeyNotFound, Detail: "nothing is recorded for the idempotency key"}
	}
	r, ok := o.fact.(*event.CommandRejected)
	if !ok {
		return nil
	}
	return &Refusal{Reason: r.Reason, Detail: r.Detail, Record: o.record(topic), Replayed: o.replayed}
}

func (o *Outcome) record(topic string) *bankv1.Record {
	e := o.fact.Envelop()
	at := position.Vector{{Topic: topic, Partition: o.partition}: o.offset + 1}
	return &bankv1.Record{
		EventId:    e.EventID,
		Topic:      topic,
		Partition:  o.partition,
		Offset:     o.offset,
		RecordedAt: timestamppb.New(e.RecordedAt.Time()),
		Position:   position.Token{Positions: at}.Encode(),
	}
}

func (o *Outcome) openedAnswer(e *event.AccountOpened, topic string) *bankv1.OpenAccountResponse {
	return &bankv1.OpenAccountResponse{Record: o.record(topic), AccountId: e.AccountID, Replayed: o.replayed}
}

func (o *Outcome) frozenAnswer(e *event.AccountFrozen, topic string) *bankv1.FreezeAccountResponse {
	return &bankv1.FreezeAccountResponse{Record: o.record(topic), AccountId: e.AccountID, Replayed: o.replayed}
}

func (o *Outcome) unfrozenAnswer(e *event.AccountUnfrozen, topic string) *bankv1.UnfreezeAccountResponse {
	return &bankv1.UnfreezeAccountResponse{Record: o.record(topic), AccountId: e.AccountID, Replayed: o.replayed}
}

func (o *Outcome) closedAnswer(e *event.AccountClosed, topic string) *bankv1.CloseAccountResponse {
	return &bankv1.CloseAccountResponse{Record: o.record(topic), AccountId: e.AccountID, Replayed: o.replayed}
}

func (o *Outcome) heldAnswer(e *event.HoldPlaced, topic string) *bankv1.PlaceHoldResponse {
	return &bankv1.PlaceHoldResponse{
		Record: o.record(topic), HoldId: e.EventID, ExpiresAt: timestamppb.New(e.ExpiresAt.Time()), Replayed: o.replayed,
	}
}

func (o *Outcome) releasedAnswer(e *event.HoldReleased, topic string) *bankv1.ReleaseHoldResponse {
	return &bankv1.ReleaseHoldResponse{Record: o.record(topic), HoldId: e.HoldID, Replayed: o.replayed}
}

func (o *Outcome) redemptionAnswer(e *event.RewardRedemptionRequested, topic string) *bankv1.RedeemRewardsResponse {
	return &bankv1.RedeemRewardsResponse{Record: o.record(topic), AccountId: e.AccountID, Points: e.Points, Replayed: o.replayed}
}

func (o *Outcome) postedAnswer(e *event.EntryPosted, topic string) *bankv1.PostEntryResponse {
	return &bankv1.PostEntryResponse{Record: o.record(topic), Entry: entryOf(e), Replayed: o.replayed}
}

func (o *Outcome) capturedAnswer(e *event.EntryPosted, topic string) *bankv1.CaptureHoldResponse {
	return &bankv1.CaptureHoldResponse{Record: o.record(topic), Entry: entryOf(e), Replayed: o.replayed}
}

func (o *Outcome) reversedAnswer(e *event.EntryPosted, topic string) *bankv1.ReverseEntryResponse {
	return &bankv1.ReverseEntryResponse{Record: o.record(topic), Entry: entryOf(e), Replayed: o.replayed}
}

func (o *Outcome) transferAnswer(e *event.EntryPosted, topic string) *bankv1.TransferResponse {
	state := bankv1.TransferState_TRANSFER_STATE_SETTLED
	if sent(e) {
		state = bankv1.TransferState_TRANSFER_STATE_PENDING
	}
	return &bankv1.TransferResponse{
		Record: o.record(topic), Entry: entryOf(e), Replayed: o.replayed, TransferId: e.EventID, State: state,
	}
}

func (o *Outcome) legsAnswer(e *event.EntryPosted, topic string) *bankv1.PostEntriesResponse {
	return &bankv1.PostEntriesResponse{Record: o.record(topic), Entry: entryOf(e), Replayed: o.replayed}
}

func entryOf(e *event.EntryPosted) *bankv1.Entry {
	legs := make([]*bankv1.Leg, 0, len(e.Legs))
	for _, l := range e.Legs {
		legs = append(legs, &bankv1.Leg{
			AccountId:         l.AccountID,
			AmountMinor:       l.AmountMinor,
			Currency:          l.Currency,
			BalanceAfterMinor: l.BalanceAfterMinor,
			AccountSeq:        l.AccountSeq,
		})
	}
	return &bankv1.Entry{
		Kind:       bankv1.EntryKind(bankv1.EntryKind_value[entryKindPrefix+e.Kind]),
		Legs:       legs,
		OccurredAt: timestamppb.New(e.OccurredAt.Time()),
		Merchant:   e.Merchant,
		Mcc:        e.MCC,
		Category:   e.Category,
		RefundOf:   e.RefundOf,
		Historical: e.Historical,
		Principal:  e.Principal,
		HoldId:     e.HoldID,
		Reverses:   e.Reverses,

		Counterparty: e.Counterparty,
		TransferId:   e.TransferID,
		ReturnReason: e.ReturnReason,
	}
}

// found returns what is recorded, as FindByKey tells it.
func (o *Outcome) found(topic string) *bankv1.FindByKeyResponse {
	out := &bankv1.FindByKeyResponse{}
	switch e := o.fact.(type) {
	case *event.AccountOpened:
		out.Outcome = &bankv1.FindByKeyResponse_Opened{Opened: o.openedAnswer(e, topic)}
	case *event.AccountFrozen:
		out.Outcome = &bankv1.FindByKeyResponse_Frozen{Frozen: o.frozenAnswer(e, topic)}
	case *event.AccountUnfrozen:
		out.Outcome = &bankv1.FindByKeyResponse_Unfrozen{Unfrozen: o.unfrozenAnswer(e, topic)}
	case *event.AccountClosed:
		out.Outcome = &bankv1.FindByKeyResponse_Closed{Closed: o.closedAnswer(e, topic)}
	case *event.HoldPlaced:
		out.Outcome = &bankv1.FindByKeyResponse_Held{Held: o.heldAnswer(e, topic)}
	case *event.HoldReleased:
		out.Outcome = &bankv1.FindByKeyResponse_Released{Released: o.releasedAnswer(e, topic)}
	case *event.EntryPosted:
		out.Outcome = &bankv1.FindByKeyResponse_Posted{Posted: o.postedAnswer(e, topic)}
	case *event.RewardRedemptionRequested:
		out.Outcome = &bankv1.FindByKeyResponse_Redemption{Redemption: o.redemptionAnswer(e, topic)}
	case *event.CommandRejected:
		out.Outcome = &bankv1.FindByKeyResponse_Rejected{Rejected: o.refusal(topic).rejection()}
	}
	return out
}

// put sets the outcome of a result that was accepted.
func (o *Outcome) put(out *bankv1.Result, topic string) {
	switch e := o.fact.(type) {
	case *event.AccountOpened:
		out.Outcome = &bankv1.Result_Opened{Opened: o.openedAnswer(e, topic)}
	case *event.AccountFrozen:
		out.Outcome = &bankv1.Result_Frozen{Frozen: o.frozenAnswer(e, topic)}
	case *event.AccountUnfrozen:
		out.Outcome = &bankv1.Result_Unfrozen{Unfrozen: o.unfrozenAnswer(e, topic)}
	case *event.AccountClosed:
		out.Outcome = &bankv1.Result_Closed{Closed: o.closedAnswer(e, topic)}
	case *event.HoldPlaced:
		out.Outcome = &bankv1.Result_Held{Held: o.heldAnswer(e, topic)}
	case *event.HoldReleased:
		out.Outcome = &bankv1.Result_Released{Released: o.releasedAnswer(e, topic)}
	case *event.EntryPosted:
		out.Outcome = &bankv1.Result_Posted{Posted: o.postedAnswer(e, topic)}
	case *event.RewardRedemptionRequested:
		out.Outcome = &bankv1.Result_Redemption{Redemption: o.redemptionAnswer(e, topic)}
	}
}

func (r *Refusal) rejection() *bankv1.Rejection {
	return &bankv1.Rejection{Reason: r.Reason, Detail: r.Detail, Record: r.Record, Violations: r.Violations}
}

// The enums of the API are those of the events, with these prefixes.
const (
	accountKindPrefix = "ACCOUNT_KIND_"
	entryKindPrefix   = "ENTRY_KIND_"
)

// kindName returns the event's name of an enum's value; the zero value and unknown ones have none.
func kindName[E ~int32](kind E, names map[int32]string, prefix string) (string, bool) {
	name, ok := names[int32(kind)]
	return strings.TrimPrefix(name, prefix), ok && kind != 0
}
