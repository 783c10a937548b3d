package transactions

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/refold/refold/projections/ledger"
	"github.com/refold/refold/schemas/event"
	"github.com/refold/refold/streams/journal"
)

// Expiry is decided by the time of the log: a hold whose time is over by the time at which a command of its
// account is decided expires by a record of its own before that, and where no command comes, by a sweep
// that the service queues for every partition like a command. So of a capture and the expiry that race, the
// order of the log lets one win, and a reader needs no clock.

const (
	// platform is the principal of what the service itself records.
	platform = "refold"
	// expiryKey begins the idempotency key of an expiry. A key of a caller holds no space.
	expiryKey = "expiry of "
	// maxExpiries bounds the holds that expire by one sweep.
	maxExpiries = 500
	sweepEvery  = time.Second
)

// newSweep returns the command that holds expire whose time is over. It has no record of its own.
func newSweep() *Command { return &Command{sweep: true} }

// ExpireHolds lets holds expire whose time is over, in every partition that is owned here, until ctx ends.
// It is called once. Its error is nil.
func (s *Server) ExpireHolds(ctx context.Context) error {
	ticker := time.NewTicker(sweepEvery)
	defer ticker.Stop()
	var mu sync.Mutex
	under := make(map[int32]bool) // way; guarded by mu
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		for _, status := range s.cfg.Journal.Status() {
			mu.Lock()
			busy := under[status.Partition]
			under[status.Partition] = true
			mu.Unlock()
			if busy {
				continue
			}
			done := func(Outcome, error) {
				mu.Lock()
				defer mu.Unlock()
				under[status.Partition] = false
			}
			if err := s.cfg.Journal.Enqueue(status.Partition, newSweep(), done); err != nil {
				done(Outcome{}, err) // the next tick tries again
			}
		}
	}
}

// due returns holds of the partition whose time is over, the first of them first.
func (v *view) due() []ledger.Item {
	var out []ledger.Item
	v.items(ledger.DueHolds, window{to: v.now}, func(h ledger.Item) bool {
		out = append(out, h)
		return len(out) < maxExpiries
	})
	return out
}

// dueOf returns the holds of accounts whose time is over.
func (v *view) dueOf(accounts []string) []ledger.Item {
	var out []ledger.Item
	for _, id := range accounts {
		a := v.account(id)
		if a == nil {
			continue
		}
		for _, h := range a.Holds {
			if h.ExpiresAt <= v.now {
				out = append(out, ledger.Item{AccountID: id, ID: h.ID, At: h.ExpiresAt})
			}
		}
	}
	return out
}

// expire lets holds expire by records at an offset and behind it, without their timestamps.
func (m *machine) expire(due []ledger.Item, offset int64, at event.Micros) ([]journal.Record, error) {
	var out []journal.Record
	for _, d := range due {
		row, err := m.row(ledger.HoldKey(d.AccountID, d.ID))
		if err != nil {
			return nil, err
		}
		if row == nil || row.Hold == nil {
			return nil, fmt.Errorf("expire hold %s of account %s: it is not there", d.ID, d.AccountID)
		}
		head, err := m.head()
		if err != nil {
			return nil, err
		}
		customer, _ := customerOf(d.AccountID)
		c := &Command{customer: customer, key: expiryKey + d.ID, principal: platform}
		f := &event.HoldExpired{AccountID: d.AccountID, HoldID: d.ID, AmountMinor: row.Hold.AmountMinor, ExpiresAt: d.At}
		c.complete(f, head, max(at, head.RecordedAt+1))
		value, err := m.append(f, offset+int64(len(out)))
		if err != nil {
			return nil, err
		}
		out = append(out, journal.Record{Key: []byte(customer), Value: value})
	}
	return out, nil
}
