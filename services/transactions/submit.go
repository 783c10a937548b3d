package transactions

import (
	"context"
	"errors"
	"io"
	"slices"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/refold/refold/schemas/api/bankv1"
	"github.com/refold/refold/streams/journal"
)

const (
	// maxInFlight bounds the commands of one stream whose results are not sent yet.
	maxInFlight = 8_192
	// maxResults bounds the results of one message.
	maxResults = 1_000
)

// errOvertaken answers a command that was sent after one of the same customer whose outcome is unknown.
var errOvertaken = errors.New("an earlier command of this customer on this stream is unavailable: " +
	"send both again on another stream, in their order and with the same idempotency keys")

// reasonOvertaken is the reason of errOvertaken.
const reasonOvertaken = "OVERTAKEN"

type submitStream = grpc.BidiStreamingServer[bankv1.SubmitRequest, bankv1.SubmitResponse]

// Submit implements bankv1.TransactionsServiceServer.
//
// The commands of one customer are decided in the order in which they were sent. After a result that is
// unavailable, all later commands of that customer on the stream are unavailable too, so that none of them
// is decided before it. A malformed command is answered as such, and the stream goes on.
func (s *Server) Submit(stream submitStream) error {
	ctx, cancel := context.WithCancel(stream.Context())
	defer cancel()
	b := newSubmission(s, s.cfg.Principal(ctx))
	defer context.AfterFunc(ctx, b.wake)()
	sent := make(chan error, 1)
	go func() {
		defer cancel() // nothing more can be sent: receiving makes no sense
		sent <- b.send(ctx, stream)
	}()
	err := b.receive(ctx, stream)
	if err != nil {
		cancel()
	}
	b.end()
	return errors.Join(err, <-sent)
}

// submission is one Submit under way.
type submission struct {
	*Server
	principal string
	// room holds a token for every command whose result is not sent.
	room chan struct{}

	mu      sync.Mutex
	changed *sync.Cond      // of mu
	queued  int             // commands in the journal; guarded by mu
	results []result        // not sent yet; guarded by mu
	broken  map[string]bool // customers with an unavailable result; guarded by mu
	ended   bool            // nothing more is received; guarded by mu
}

// result is what became of one command: the first that is set of lost, refusal, outcome.
type result struct {
	tag     uint64
	lost    error
	refusal *Refusal
	outcome Outcome
}

func newSubmission(s *Server, principal string) *submission {
	b := &submission{
		Server:    s,
		principal: principal,
		room:      make(chan struct{}, maxInFlight),
		broken:    make(map[string]bool),
	}
	b.changed = sync.NewCond(&b.mu)
	return b
}

func (b *submission) receive(ctx context.Context, stream submitStream) error {
	for {
		r, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		for _, c := range r.GetCommands() {
			select {
			case b.room <- struct{}{}:
			case <-ctx.Done():
				return ctx.Err()
			}
			b.accept(ctx, c)
		}
	}
}

// accept queues one command, or answers it at once.
func (b *submission) accept(ctx context.Context, m *bankv1.Command) {
	c, refusal := b.command(m)
	b.mu.Lock()
	defer b.mu.Unlock()
	if refusal != nil {
		b.put(result{tag: m.GetTag(), refusal: refusal})
		return
	}
	err := b.enqueue(m.GetTag(), c)
	for errors.Is(err, journal.ErrBusy) && b.queued > 0 && ctx.Err() == nil {
		// Answers of this stream come out of the full queue: there will be room.
		b.changed.Wait()
		err = b.enqueue(m.GetTag(), c)
	}
	if err != nil {
		b.lose(m.GetTag(), c, err)
	}
}

func (b *submission) command(m *bankv1.Command) (*Command, *Refusal) {
	r := requestOf(m)
	if r == nil {
		return nil, malformed("command: must be set")
	}
	if err := b.cfg.Validate(r); err != nil {
		return nil, broken(err)
	}
	return b.Server.command(r, b.principal)
}

// requestOf returns the request that a command of a batch holds, nil where it holds none.
func requestOf(m *bankv1.Command) proto.Message {
	switch w := m.GetCommand().(type) {
	case *bankv1.Command_OpenAccount:
		return w.OpenAccount
	case *bankv1.Command_PostEntry:
		return w.PostEntry
	case *bankv1.Command_FreezeAccount:
		return w.FreezeAccount
	case *bankv1.Command_UnfreezeAccount:
		return w.UnfreezeAccount
	case *bankv1.Command_CloseAccount:
		return w.CloseAccount
	case *bankv1.Command_PlaceHold:
		return w.PlaceHold
	case *bankv1.Command_CaptureHold:
		return w.CaptureHold
	case *bankv1.Command_ReleaseHold:
		return w.ReleaseHold
	case *bankv1.Command_ReverseEntry:
		return w.ReverseEntry
	case *bankv1.Command_Transfer:
		return w.Transfer
	case *bankv1.Command_PostEntries:
		return w.PostEntries
	}
	return nil
}

// enqueue gives a command to the journal, unless an earlier one of its customer was lost.
//
// The caller holds mu, and an answer takes it: so where the journal loses an earlier command, either this
// command was queued before that, and the journal loses it too, or the loss is known here.
func (b *submission) enqueue(tag uint64, c *Command) error {
	if b.broken[c.customer] {
		return errOvertaken
	}
	err := b.cfg.Journal.Enqueue(b.partition(c.customer), c, func(o Outcome, err error) {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.queued--
		if err != nil {
			b.lose(tag, c, err)
			return
		}
		b.committed(&o)
		b.put(result{tag: tag, outcome: o})
	})
	if err == nil {
		b.queued++
	}
	return err
}

// lose answers that the outcome of a command is unknown. The caller holds mu.
func (b *submission) lose(tag uint64, c *Command, err error) {
	b.broken[c.customer] = true
	b.put(result{tag: tag, lost: err})
}

// put leaves a result to send. The caller holds mu.
func (b *submission) put(r result) {
	b.results = append(b.results, r)
	b.changed.Broadcast()
}

// end says that nothing more is received.
func (b *submission) end() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ended = true
	b.changed.Broadcast()
}

// wake lets everyone who waits look at the context again.
func (b *submission) wake() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.changed.Broadcast()
}

// send sends results as they come, until all are sent and no more come, or ctx ends.
func (b *submission) send(ctx context.Context, stream submitStream) error {
	for {
		results := b.next(ctx)
		if len(results) == 0 {
			return ctx.Err()
		}
		for part := range slices.Chunk(results, maxResults) {
			if err := stream.Send(b.message(part)); err != nil {
				return err
			}
			for range part {
				<-b.room
			}
		}
	}
}

// next waits for results and takes them. There are none where no more come, or ctx has ended.
func (b *submission) next(ctx context.Context) []result {
	b.mu.Lock()
	defer b.mu.Unlock()
	for len(b.results) == 0 && ctx.Err() == nil && (b.queued > 0 || !b.ended) {
		b.changed.Wait()
	}
	if ctx.Err() != nil {
		return nil
	}
	results := b.results
	b.results = nil
	return results
}

func (b *submission) message(results []result) *bankv1.SubmitResponse {
	m := &bankv1.SubmitResponse{Results: make([]*bankv1.Result, 0, len(results))}
	for i := range results {
		m.Results = append(m.Results, b.result(&results[i]))
	}
	return m
}

func (b *submission) result(r *result) *bankv1.Result {
	out := &bankv1.Result{Tag: r.tag}
	refusal := r.refusal
	if r.lost == nil && refusal == nil {
		refusal = r.outcome.refusal(b.cfg.Topic)
	}
	switch {
	case errors.Is(r.lost, errOvertaken):
		out.UnavailableReason = reasonOvertaken
		out.Outcome = &bankv1.Result_Unavailable{Unavailable: errOvertaken.Error()}
	case r.lost != nil:
		reason, text := b.cfg.Explain(r.lost)
		out.UnavailableReason = reason
		out.Outcome = &bankv1.Result_Unavailable{Unavailable: text}
	case refusal != nil:
		out.Outcome = &bankv1.Result_Rejected{Rejected: refusal.rejection()}
	default:
		r.outcome.put(out, b.cfg.Topic)
	}
	return out
}
