package transactions

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/refold/refold/schemas/api/bankv1"
	"github.com/refold/refold/streams/journal"
)

const (
	// hopCommands and hopBytes bound a message that is sent on; a command that is larger goes alone.
	hopCommands = 500
	hopBytes    = 1 << 20
)

// hop is one round of a lane at the owner: a Submit, whose tags are the numbers of the items.
type hop struct {
	*lane
	// stop ends it at once.
	stop context.CancelFunc
	// alarm stops it when no result has come for long, though some are due.
	alarm *time.Timer

	// The rest is guarded by submission.mu.

	sent map[uint64]*item // by number; no result came yet
	over bool             // nothing more is sent
}

// forward lets a peer decide what waits, and what comes, until the peer does not answer or has answered
// something with unavailable. What then has no outcome waits again.
func (l *lane) forward(ctx context.Context, owner bankv1.TransactionsServiceClient) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := owner.Submit(ctx)
	if err != nil {
		return fmt.Errorf("forward to the owner of partition %d: %w: %s", l.partition, journal.ErrNotOwner, err.Error())
	}
	h := &hop{lane: l, stop: cancel, sent: make(map[uint64]*item)}
	h.alarm = time.AfterFunc(h.cfg.Patience, h.late)
	defer h.alarm.Stop()
	received := make(chan struct{})
	go func() {
		defer close(received)
		h.receive(ctx, stream)
	}()
	for {
		m := h.next(ctx)
		if m == nil || stream.Send(m) != nil {
			break
		}
	}
	h.end()
	_ = stream.CloseSend() // whatever became of it, the results that come are all there are
	<-received
	h.back(ctx)
	return nil
}

// late ends the hop if anything is due.
func (h *hop) late() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.sent) > 0 {
		h.stop()
	}
}

// next waits for something to send, and takes it. It is nil where nothing more is to be sent.
func (h *hop) next(ctx context.Context) *bankv1.SubmitRequest {
	h.mu.Lock()
	defer h.mu.Unlock()
	for len(h.waiting) == 0 && !h.over && ctx.Err() == nil {
		h.changed.Wait()
	}
	if h.over || ctx.Err() != nil {
		return nil
	}
	if len(h.sent) == 0 {
		h.alarm.Reset(h.cfg.Patience)
	}
	m := &bankv1.SubmitRequest{}
	for size := 0; len(h.waiting) > 0 && len(m.Commands) < hopCommands; {
		it := h.waiting[0]
		if size += proto.Size(it.message); size > hopBytes && len(m.Commands) > 0 {
			break
		}
		h.waiting = h.waiting[1:]
		h.sent[it.number] = it
		m.Commands = append(m.Commands, &bankv1.Command{Tag: it.number, Command: it.message.GetCommand()})
	}
	return m
}

// receive takes results until there are no more.
func (h *hop) receive(ctx context.Context, stream interface {
	Recv() (*bankv1.SubmitResponse, error)
}) {
	defer h.end()
	for {
		r, err := stream.Recv()
		if err != nil {
			return
		}
		h.mu.Lock()
		h.alarm.Reset(h.cfg.Patience)
		for _, told := range r.GetResults() {
			h.told(ctx, told)
		}
		h.mu.Unlock()
	}
}

// told takes one result. The caller holds mu.
func (h *hop) told(ctx context.Context, told *bankv1.Result) {
	it := h.sent[told.GetTag()]
	if it == nil {
		return
	}
	delete(h.sent, told.GetTag())
	if _, unavailable := told.GetOutcome().(*bankv1.Result_Unavailable); unavailable {
		h.over = true
		h.wait(ctx, it, lostBy(told))
		return
	}
	h.answer(it, result{told: told})
}

// lostBy is the error of a result that is unavailable.
func lostBy(told *bankv1.Result) error {
	err := journal.ErrUnavailable
	if reason := told.GetUnavailableReason(); reason == reasonNotOwner || reason == reasonBusy {
		err = journal.ErrNotOwner
	}
	return fmt.Errorf("%w: %s", err, told.GetUnavailable())
}

// end lets nothing more be sent.
func (h *hop) end() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.over = true
	h.changed.Broadcast()
}

// back lets everything wait again whose result did not come.
func (h *hop) back(ctx context.Context) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, it := range h.sent {
		h.wait(ctx, it, fmt.Errorf("forward to the owner of partition %d: %w", h.partition, journal.ErrUnavailable))
	}
}
