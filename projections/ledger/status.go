package ledger

import (
	"errors"
	"fmt"

	"github.com/refold/refold/projections/projection"
)

// changed are the fields of AccountFrozen, AccountUnfrozen, AccountClosed and RewardRedemptionRequested that are
// read.
type changed struct {
	Envelope
	AccountID string `avro:"account_id"`
}

func changedKeys(e *changed, k *projection.Keys) {
	e.keys(k)
	k.Add(e.AccountID, "")
}

// foldChanged returns the fold of an event that changes what an account takes.
func foldChanged(change func(*Account) error) func(projection.Key, *Row, *changed, projection.Meta) error {
	return func(k projection.Key, r *Row, e *changed, m projection.Meta) error {
		switch {
		case k.Partition == headPartition:
			return r.follow(&e.Envelope, m)
		case k.Partition == e.CustomerID:
			return r.answer(&e.Envelope, m)
		case r.Account == nil:
			return refusedOf(e.AccountID, errNotOpened)
		}
		return refusedOf(e.AccountID, change(r.Account))
	}
}

// refusedOf says of which account a record does not follow; nil where it does.
func refusedOf(account string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: account %s %w", ErrBroken, account, err)
}

var (
	errClosed    = errors.New("is closed")
	errFrozen    = errors.New("is frozen")
	errNotFrozen = errors.New("is not frozen")
	errNotEmpty  = errors.New("is not empty")
	errNotOpened = errors.New("was not opened")
)

func (a *Account) freeze() error {
	switch {
	case a.Closed:
		return errClosed
	case a.Frozen:
		return errFrozen
	}
	a.Frozen = true
	return nil
}

func (a *Account) unfreeze() error {
	switch {
	case a.Closed:
		return errClosed
	case !a.Frozen:
		return errNotFrozen
	}
	a.Frozen = false
	return nil
}

func (a *Account) close() error {
	switch {
	case a.Closed:
		return errClosed
	case a.BalanceMinor != 0 || a.InTransitMinor != 0 || len(a.Holds) > 0:
		return errNotEmpty
	}
	a.Closed = true
	return nil
}

// redeem says why no points are redeemed for an account, nil where they may be. Points are no money: the account
// stays as it is.
func (a *Account) redeem() error {
	if a.Closed {
		return errClosed
	}
	return nil
}

// takes says why an account does not take an amount, nil where it does.
func (a *Account) takes(amount int64) error {
	switch {
	case a.Closed:
		return errClosed
	case a.Frozen && amount < 0:
		return errFrozen
	}
	return nil
}
