package ledger

import (
	"fmt"
	"slices"
	"strings"

	"github.com/refold/refold/projections/projection"
	"github.com/refold/refold/schemas/event"
)

// How a hold ended, as it stands in Hold.
const (
	Open     = ""
	Captured = "CAPTURED"
	Released = "RELEASED"
	Expired  = "EXPIRED"
)

// Hold is an amount of an account that is not available while the hold is open. It ends once.
type Hold struct {
	Ended       string       `avro:"ended"` // how, one of the constants above
	AmountMinor int64        `avro:"amount_minor"`
	Currency    string       `avro:"currency"`
	ExpiresAt   event.Micros `avro:"expires_at"`
	Merchant    string       `avro:"merchant"`
	MCC         string       `avro:"mcc"`
	Category    string       `avro:"category"`
}

// OpenHold is an open hold as its account knows it.
type OpenHold struct {
	ID          string       `avro:"id"`
	AmountMinor int64        `avro:"amount_minor"`
	ExpiresAt   event.Micros `avro:"expires_at"`
	LimitDay    int64        `avro:"limit_day"` // to whose limit it counts, 0: to none
}

// held names a hold, as an event does.
type held struct {
	account, id string
	amount      int64
	taken       int64 // by the entry that captures it
	expiresAt   event.Micros
}

// keys adds every row that knows of an open hold.
func (h held) keys(k *projection.Keys) {
	k.Add(h.account, "")
	k.Add(h.account, holdPrefix+h.id)
	h.item().keys(DueHolds, k)
}

func (h held) item() Item { return Item{AccountID: h.account, ID: h.id, At: h.expiresAt} }

type placed struct {
	Envelope
	AccountID   string       `avro:"account_id"`
	AmountMinor int64        `avro:"amount_minor"`
	Currency    string       `avro:"currency"`
	ExpiresAt   event.Micros `avro:"expires_at"`
	Merchant    string       `avro:"merchant"`
	MCC         string       `avro:"mcc"`
	Category    string       `avro:"category"`
	LimitDay    int64        `avro:"limit_day"`
}

func (e *placed) held() held {
	return held{account: e.AccountID, id: e.EventID, amount: e.AmountMinor, expiresAt: e.ExpiresAt}
}

func placedKeys(e *placed, k *projection.Keys) {
	e.keys(k)
	e.held().keys(k)
}

func foldPlaced(k projection.Key, r *Row, e *placed, m projection.Meta) error {
	switch {
	case k.Partition == headPartition:
		return r.follow(&e.Envelope, m)
	case k.Partition == e.CustomerID:
		return r.answer(&e.Envelope, m)
	case k.Partition == DueHolds:
		r.index().add(k.Sort, e.held().item())
		return nil
	case k.Sort != "":
		return r.place(e)
	}
	return r.hold(e)
}

// place makes the row that of a new hold.
func (r *Row) place(e *placed) error {
	if r.Hold != nil {
		return fmt.Errorf("%w: hold %s of account %s was placed already", ErrBroken, e.EventID, e.AccountID)
	}
	r.Hold = &Hold{
		AmountMinor: e.AmountMinor, Currency: strings.Clone(e.Currency), ExpiresAt: e.ExpiresAt,
		Merchant: strings.Clone(e.Merchant), MCC: strings.Clone(e.MCC), Category: strings.Clone(e.Category),
	}
	return nil
}

// hold lets the account hold an amount.
func (r *Row) hold(e *placed) error {
	a := r.Account
	switch {
	case a == nil:
		return fmt.Errorf("%w: account %s was not opened", ErrBroken, e.AccountID)
	case e.AmountMinor <= 0:
		return fmt.Errorf("%w: it holds %d", ErrBroken, e.AmountMinor)
	case e.Currency != a.Currency:
		return fmt.Errorf("%w: account %s is in %s, not %s", ErrBroken, e.AccountID, a.Currency, e.Currency)
	}
	if err := a.takes(-e.AmountMinor); err != nil {
		return fmt.Errorf("%w: account %s %w", ErrBroken, e.AccountID, err)
	}
	a.Holds = append(a.Holds, OpenHold{ID: strings.Clone(e.EventID), AmountMinor: e.AmountMinor, ExpiresAt: e.ExpiresAt, LimitDay: e.LimitDay})
	a.HeldMinor += e.AmountMinor
	return a.spend(e.AccountID, e.LimitDay, e.AmountMinor)
}

// ended are the fields of HoldReleased and HoldExpired that are read.
type ended struct {
	Envelope
	AccountID   string       `avro:"account_id"`
	HoldID      string       `avro:"hold_id"`
	AmountMinor int64        `avro:"amount_minor"`
	ExpiresAt   event.Micros `avro:"expires_at"`
}

func (e *ended) held() held {
	return held{account: e.AccountID, id: e.HoldID, amount: e.AmountMinor, expiresAt: e.ExpiresAt}
}

func endedKeys(e *ended, k *projection.Keys) {
	e.keys(k)
	e.held().keys(k)
}

// foldEnded returns the fold of an event that ends a hold without moving money.
func foldEnded(how string) func(projection.Key, *Row, *ended, projection.Meta) error {
	return func(k projection.Key, r *Row, e *ended, m projection.Meta) error {
		switch {
		case k.Partition == headPartition:
			return r.follow(&e.Envelope, m)
		case k.Partition == e.CustomerID:
			return r.answer(&e.Envelope, m)
		case how == Expired && e.RecordedAt < e.ExpiresAt:
			return fmt.Errorf("%w: hold %s expires before its time", ErrBroken, e.HoldID)
		}
		return r.end(k, e.held(), how)
	}
}

// end ends a hold in any row that knows of it.
func (r *Row) end(k projection.Key, h held, how string) error {
	switch {
	case k.Partition == DueHolds:
		return r.index().remove(k.Sort, h.item())
	case k.Sort == "":
		return r.letGo(h)
	case r.Hold == nil:
		return fmt.Errorf("%w: hold %s of account %s was never placed", ErrBroken, h.id, h.account)
	case r.Hold.Ended != Open:
		return fmt.Errorf("%w: hold %s of account %s has ended: %s", ErrBroken, h.id, h.account, r.Hold.Ended)
	case r.Hold.AmountMinor != h.amount || r.Hold.ExpiresAt != h.expiresAt:
		return fmt.Errorf("%w: it is wrong about hold %s of account %s", ErrBroken, h.id, h.account)
	}
	r.Hold.Ended = how
	return nil
}

// letGo ends a hold of the account.
func (r *Row) letGo(h held) error {
	if r.Account == nil {
		return fmt.Errorf("%w: account %s was not opened", ErrBroken, h.account)
	}
	a := r.Account
	i := slices.IndexFunc(a.Holds, func(o OpenHold) bool { return o.ID == h.id })
	if i < 0 || a.Holds[i].AmountMinor != h.amount {
		return fmt.Errorf("%w: account %s has no open hold %s of %d", ErrBroken, h.account, h.id, h.amount)
	}
	// It counted to the limit when it was placed; what is not taken in the end is given back.
	a.unspend(a.Holds[i].LimitDay, h.amount-h.taken)
	// What was seen of the row stays as it was: the rest moves to a new list.
	a.Holds = slices.Concat(a.Holds[:i], a.Holds[i+1:])
	a.HeldMinor -= h.amount
	return nil
}
