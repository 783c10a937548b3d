package transactions

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/refold/refold/projections/ledger"
	"github.com/refold/refold/schemas/event"
)

const (
	// maxUnanswered bounds the messages of a partition that the journal has not answered.
	maxUnanswered = 1_000
	// lookFor is how long the record is waited for that a message is about. It was committed before the
	// message was sent, so that it is here soon. A message of a record that the log does not hold is not true,
	// and must not hold up the others.
	lookFor = 2 * time.Second
	// rest is how long an inbox rests that could not go on.
	rest = 200 * time.Millisecond
)

// inbox makes the messages to a partition commands of its journal, in their order, until ctx ends.
func (r *relay) inbox(ctx context.Context, p int32) {
	for ctx.Err() == nil {
		err := r.receive(ctx, p)
		if ctx.Err() != nil {
			return
		}
		r.cfg.Log.Warn("messages about transfers are read again", "partition", p, "error", err)
		select {
		case <-ctx.Done():
		case <-time.After(rest):
		}
	}
}

// receive takes messages from where records were made of them last, until one is not answered.
func (r *relay) receive(ctx context.Context, p int32) error {
	v := r.saved(ctx, p)
	var from int64
	if inbox := v.row(ledger.InboxKey()).Inbox; inbox != nil {
		from = inbox.Next
	}
	if v.err != nil {
		return v.err
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var unanswered sync.WaitGroup
	defer unanswered.Wait()
	room := make(chan struct{}, maxUnanswered)
	err := r.cfg.Mail.Follow(ctx, p, from, func(next int64, value []byte) error {
		m, c, err := r.heed(ctx, p, next, value)
		if c == nil {
			return err
		}
		select {
		case room <- struct{}{}:
		case <-ctx.Done():
			return ctx.Err()
		}
		unanswered.Add(1)
		done := func(o Outcome, err error) {
			defer unanswered.Done()
			<-room
			if err != nil {
				stop(err)
				return
			}
			r.answer(m, p, &o)
		}
		if err := r.cfg.Journal.Enqueue(p, c, done); err != nil {
			done(Outcome{}, err)
		}
		return nil
	})
	return errors.Join(context.Cause(ctx), err)
}

// heed makes a command of a message, by what the journal says of the transfer. There is none where the message
// is not true.
func (r *relay) heed(ctx context.Context, p int32, next int64, value []byte) (m event.TransferRelayed, c *Command, err error) {
	schema, err := r.cfg.Codec.Lookup(ctx, value)
	if err == nil {
		err = schema.Decode(value, &m)
	}
	if err != nil || schema.Name != event.NameTransferRelayed {
		return m, nil, r.disbelieve(ctx, p, next, err)
	}
	payer, receiver := r.home(m.FromAccountID), r.home(m.ToAccountID)
	other := payer
	if p == payer {
		other = receiver
	}
	if payer == receiver || p != payer && p != receiver || m.Offset < 0 {
		return m, nil, r.disbelieve(ctx, p, next, nil)
	}
	if err := r.folded(ctx, other, m.Offset); errors.Is(err, errLater) {
		return m, nil, err
	} else if err != nil {
		return m, nil, r.disbelieve(ctx, p, next, err)
	}
	v := r.saved(ctx, payer)
	e, _ := v.sentTransfer(m.FromAccountID, m.TransferID)
	switch {
	case v.err != nil:
		return m, nil, v.err
	case e == nil || e.Counterparty != m.ToAccountID:
		return m, nil, r.disbelieve(ctx, p, next, nil)
	case p == receiver:
		return m, newReceiveTransfer(e, next), nil
	}
	v = r.saved(ctx, receiver)
	received := v.outcome(m.ToAccountID, transferKey+m.TransferID)
	if received == nil {
		return m, nil, errors.Join(v.err, r.disbelieve(ctx, p, next, nil))
	}
	return m, newEndTransfer(e, received, next), nil
}

// errLater says that the ledger has not come to the record that a message is about, which is there: the message
// is read again, and with it those behind it. To leave it out would leave the transfer until it is sent again,
// which may be long for one that is old, and a ledger that is made anew would leave out all of them.
var errLater = errors.New("the ledger has not come to the record that a message is about")

// folded waits until the ledger has come to a record of the journal.
func (r *relay) folded(ctx context.Context, p int32, offset int64) error {
	waiting, cancel := context.WithTimeout(ctx, lookFor)
	defer cancel()
	err := r.cfg.Ledger.Wait(waiting, p, offset+1)
	if err == nil || waiting.Err() == nil || ctx.Err() != nil {
		return err
	}
	ends, unknown := r.cfg.Ledger.Ends(ctx)
	if unknown != nil || offset < ends[p] {
		return fmt.Errorf("partition %d, offset %d: %w: %w", p, offset, errLater, errors.Join(err, unknown))
	}
	return err
}

// disbelieve tells of a message that is not true, or not yet: then it comes again.
func (r *relay) disbelieve(ctx context.Context, p int32, next int64, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	r.cfg.Log.Error("a message about a transfer is refused: the journal does not say so", "partition", p, "offset", next-1, "error", err)
	return nil
}

// answer tells the payer's partition what was recorded of a transfer in the receiver's, p.
func (r *relay) answer(m event.TransferRelayed, p int32, o *Outcome) {
	if r.home(m.ToAccountID) != p || o.fact == nil {
		return
	}
	m.Offset = o.offset
	r.send(news{to: r.home(m.FromAccountID), message: m})
}
