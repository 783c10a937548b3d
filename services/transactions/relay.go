package transactions

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/refold/refold/schemas/codec"
	"github.com/refold/refold/schemas/event"
	"github.com/refold/refold/streams/topic"
)

// The relay carries the news of transfers between partitions. Messages say no more than "look at my record",
// and may be lost, repeated, late or forged: whoever gets one looks the record up in the rows of the other
// partition's ledger, which every instance follows, and decides by that. So nothing is kept of what was sent:
//
//   - who pays drives: as long as a transfer has not ended, the owner of the payer's partition sends the
//     request again, all when it takes the partition over, then each at growing ages (outbox.go);
//   - who receives answers every request, also a repeated one, with what it has recorded (inbox.go);
//   - a record names the message that made it, and a new owner reads its messages from there.
//
// Both records of a transfer that a message can make have an idempotency key of the transfer, so that a
// message that comes twice makes one record.

// Mail carries the messages of bank.transfers. Its methods may be called concurrently.
type Mail interface {
	// Send sends a message to a partition, at some time or, rarely, never. It does not block.
	Send(partition int32, key, value []byte)
	// SendInTurn sends a message as Send does, but waits where too many wait to be sent, until there is room or
	// ctx ends; it returns ctx's error.
	SendInTurn(ctx context.Context, partition int32, key, value []byte) error
	// Follow calls fn for every message to a partition from an offset on, with the offset after it, until
	// ctx ends or fn fails; it returns that error.
	Follow(ctx context.Context, partition int32, from int64, fn func(next int64, value []byte) error) error
}

const (
	// tendEvery is how often it is looked which partitions are owned.
	tendEvery = 50 * time.Millisecond
	// maxNews bounds the messages about new records that wait to be sent; what is beyond is sent later.
	maxNews = 10_000
)

// news is a message that is to be sent to a partition.
type news struct {
	to      int32
	message event.TransferRelayed
}

// relay is RelayTransfers under way.
type relay struct {
	*Server
	encoder *codec.Encoder
}

// RelayTransfers carries transfers between partitions, in every partition that is owned here, until ctx ends.
// It is called once, and fails only where the schema of its messages cannot be registered.
func (s *Server) RelayTransfers(ctx context.Context) error {
	encoder, err := s.cfg.Codec.Encoder(ctx, topic.Transfers, event.NameTransferRelayed)
	if err != nil {
		return fmt.Errorf("relay transfers: %w", err)
	}
	r := &relay{Server: s, encoder: encoder}
	var running sync.WaitGroup
	defer running.Wait()
	running.Go(func() { r.spread(ctx) })
	tended := make(map[int32]context.CancelFunc)
	ticker := time.NewTicker(tendEvery)
	defer ticker.Stop()
	for {
		r.tend(ctx, tended, &running)
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// tend starts what a newly owned partition needs, and stops what one needed that is not served any more.
func (r *relay) tend(ctx context.Context, tended map[int32]context.CancelFunc, running *sync.WaitGroup) {
	serving := make(map[int32]bool)
	for _, status := range r.cfg.Journal.Status() {
		p := status.Partition
		if !status.State.Serves() {
			continue
		}
		serving[p] = true
		if tended[p] != nil {
			continue
		}
		mine, cancel := context.WithCancel(ctx)
		tended[p] = cancel
		running.Go(func() { r.inbox(mine, p) })
		running.Go(func() { r.outbox(mine, p) })
	}
	for p, cancel := range tended {
		if !serving[p] {
			cancel()
			delete(tended, p)
		}
	}
}

// committed takes note of a transfer that was sent. It does not block.
func (s *Server) committed(o *Outcome) {
	e, ok := o.fact.(*event.EntryPosted)
	if !ok || o.replayed || !sent(e) {
		return
	}
	select {
	case s.news <- s.request(e, o.offset):
	default: // the outbox finds it
	}
}

// spread sends the news of new records.
func (r *relay) spread(ctx context.Context) {
	for {
		select {
		case n := <-r.news:
			r.send(n)
		case <-ctx.Done():
			return
		}
	}
}

// request is the news that a transfer was sent, for the partition of its receiver.
func (s *Server) request(e *event.EntryPosted, offset int64) news {
	return news{to: s.home(e.Counterparty), message: event.TransferRelayed{
		TransferID: e.EventID, FromAccountID: e.Legs[0].AccountID, ToAccountID: e.Counterparty, Offset: offset,
	}}
}

// send sends a message, or loses it where too many wait. It does not block.
func (r *relay) send(n news) {
	if key, value := r.encode(n); value != nil {
		r.cfg.Mail.Send(n.to, key, value)
	}
}

// sendInTurn sends a message when there is room.
func (r *relay) sendInTurn(ctx context.Context, n news) error {
	key, value := r.encode(n)
	if value == nil {
		return nil
	}
	return r.cfg.Mail.SendInTurn(ctx, n.to, key, value)
}

// encode returns the record of a message, whose value is nil where there can be none.
func (r *relay) encode(n news) (key, value []byte) {
	n.message.RelayedAt = event.MicrosOf(time.Now())
	value, err := r.encoder.Append(nil, &n.message)
	if err != nil {
		r.cfg.Log.Error("a message about a transfer cannot be encoded", "transfer", n.message.TransferID, "error", err)
		return nil, nil
	}
	account := n.message.ToAccountID
	if r.home(account) != n.to {
		account = n.message.FromAccountID
	}
	customer, _ := customerOf(account)
	return []byte(customer), value
}
