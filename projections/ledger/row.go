package ledger

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"strings"

	"github.com/refold/refold/projections/projection"
	"github.com/refold/refold/schemas/event"
	"github.com/refold/refold/schemas/money"
)

// follow makes a record the head, if it is the successor of the one that is.
func (r *Row) follow(e *Envelope, m projection.Meta) error {
	if r.Head == nil {
		r.Head = &Head{}
	}
	h := r.Head
	switch {
	case e.PartitionSeq != h.PartitionSeq+1:
		return fmt.Errorf("%w: it is number %d, not %d", ErrBroken, e.PartitionSeq, h.PartitionSeq+1)
	case e.PrevHash != h.Hash:
		return fmt.Errorf("%w: it names another record as the one before it", ErrBroken)
	case h.PartitionSeq > 0 && e.RecordedAt <= h.RecordedAt:
		return fmt.Errorf("%w: it was recorded before it", ErrBroken)
	}
	*h = Head{
		PartitionSeq: e.PartitionSeq,
		RecordedAt:   e.RecordedAt,
		Hash:         sha256.Sum256(m.Value),
		Offset:       m.Offset,
	}
	return nil
}

// answer keeps the record as the answer to its key.
func (r *Row) answer(e *Envelope, m projection.Meta) error {
	if !event.IsID(e.EventID, e.CustomerID, e.IdempotencyKey) {
		return fmt.Errorf("%w: %q is not the id of key %q of customer %s", ErrBroken, e.EventID, e.IdempotencyKey, e.CustomerID)
	}
	if r.Outcome != nil {
		return fmt.Errorf("%w: key %q of customer %s was answered at offset %d already",
			ErrBroken, e.IdempotencyKey, e.CustomerID, r.Outcome.Offset)
	}
	r.Outcome = &Outcome{Value: bytes.Clone(m.Value), Offset: m.Offset}
	return nil
}

// post books a leg.
func (r *Row) post(leg *event.Leg) error {
	if r.Account == nil {
		if !Internal(leg.AccountID) {
			return fmt.Errorf("%w: account %s was not opened", ErrBroken, leg.AccountID)
		}
		r.Account = &Account{Currency: strings.Clone(leg.Currency)}
	}
	a := r.Account
	if err := a.takes(leg.AmountMinor); err != nil {
		return fmt.Errorf("%w: account %s %w", ErrBroken, leg.AccountID, err)
	}
	balance, fits := money.Add(a.BalanceMinor, leg.AmountMinor)
	switch {
	case leg.Currency != a.Currency:
		return fmt.Errorf("%w: account %s is in %s, not %s", ErrBroken, leg.AccountID, a.Currency, leg.Currency)
	case leg.AccountSeq != a.Seq+1:
		return fmt.Errorf("%w: leg %d of account %s comes after leg %d", ErrBroken, leg.AccountSeq, leg.AccountID, a.Seq)
	case leg.BalanceAfterMinor != balance || !fits:
		return fmt.Errorf("%w: account %s had %d and got %d, which is not %d",
			ErrBroken, leg.AccountID, a.BalanceMinor, leg.AmountMinor, leg.BalanceAfterMinor)
	}
	a.Seq, a.BalanceMinor = leg.AccountSeq, leg.BalanceAfterMinor
	return a.spend(leg.AccountID, leg.LimitDay, -leg.AmountMinor)
}

// balanced checks that the legs sum to zero in every currency.
func balanced(legs []event.Leg) error {
	if currency, found := event.Unbalanced(legs); found {
		return fmt.Errorf("%w: its legs do not sum to zero in %s", ErrBroken, currency)
	}
	return nil
}
