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
	// visitCommands and visitBytes bound a message that is sent on; a command that is larger goes alone.
	visitCommands = 500
	visitBytes    = 1 << 20
)

// visit is one stay of a lane at the owner: a Submit, whose tags are the numbers of the items.
type visit struct {
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
	v := &visit{lane: l, stop: cancel, sent: make(map[uint64]*item)}
	v.alarm = time.AfterFunc(v.cfg.Patience, v.late)
	defer v.alarm.Stop()
	received := make(chan struct{})
	go func() {
		defer close(received)
		v.receive(ctx, stream)
	}()
	for {
		m := v.next(ctx)
		if m == nil || stream.Send(m) != nil {
			break
		}
	}
	v.end()
	_ = stream.CloseSend() // whatever became of it, the results that come are all there are
	<-received
	v.back(ctx)
	return nil
}

// late ends the visit if anything is due.
func (v *visit) late() {
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.sent) > 0 {
		v.stop()
	}
}

// next waits for something to send, and takes it. It is nil where nothing more is to be sent.
func (v *visit) next(ctx context.Context) *bankv1.SubmitRequest {
	v.mu.Lock()
	defer v.mu.Unlock()
	for len(v.waiting) == 0 && !v.over && ctx.Err() == nil {
		v.changed.Wait()
	}
	if v.over || ctx.Err() != nil {
		return nil
	}
	if len(v.sent) == 0 {
		v.alarm.Reset(v.cfg.Patience)
	}
	m := &bankv1.SubmitRequest{}
	for size := 0; len(v.waiting) > 0 && len(m.Commands) < visitCommands; {
		it := v.waiting[0]
		if size += proto.Size(it.message); size > visitBytes && len(m.Commands) > 0 {
			break
		}
		v.waiting = v.waiting[1:]
		v.sent[it.number] = it
		m.Commands = append(m.Commands, &bankv1.Command{Tag: it.number, Command: it.message.GetCommand()})
	}
	return m
}

// receive takes results until there are no more.
func (v *visit) receive(ctx context.Context, stream interface {
	Recv() (*bankv1.SubmitResponse, error)
}) {
	defer v.end()
	for {
		r, err := stream.Recv()
		if err != nil {
			return
		}
		v.mu.Lock()
		v.alarm.Reset(v.cfg.Patience)
		for _, told := range r.GetResults() {
			v.told(ctx, told)
		}
		v.mu.Unlock()
	}
}

// told takes one result. The caller holds mu.
func (v *visit) told(ctx context.Context, told *bankv1.Result) {
	it := v.sent[told.GetTag()]
	if it == nil {
		return
	}
	delete(v.sent, told.GetTag())
	if _, unavailable := told.GetOutcome().(*bankv1.Result_Unavailable); unavailable {
		v.over = true
		v.wait(ctx, it, lostBy(told))
		return
	}
	v.answer(it, result{told: told})
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
func (v *visit) end() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.over = true
	v.changed.Broadcast()
}

// back lets everything wait again whose result did not come.
func (v *visit) back(ctx context.Context) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, it := range v.sent {
		v.wait(ctx, it, fmt.Errorf("forward to the owner of partition %d: %w", v.partition, journal.ErrUnavailable))
	}
}
