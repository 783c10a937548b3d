package transactions

import (
	"context"
	"errors"
	"io"
	"slices"
	"sync"
	"time"

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
	b.forwarded = s.forwards(ctx)
	defer context.AfterFunc(ctx, b.wake)()
	defer b.await()
	defer cancel()
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
	forwarded bool // what is not owned here is sent on
	// room holds a token for every command whose result is not sent.
	room chan struct{}
	// lanesRunning counts the lanes that run; one begins only under mu, and none once closed is set.
	lanesRunning sync.WaitGroup

	mu      sync.Mutex
	changed *sync.Cond      // of mu
	taken   uint64          // commands so far; guarded by mu
	queued  int             // commands without a result; guarded by mu
	results []result        // not sent yet; guarded by mu
	broken  map[string]bool // customers with an unavailable result; guarded by mu
	lanes   map[int32]*lane // by partition; guarded by mu
	ended   bool            // nothing more is received; guarded by mu
	closed  bool            // no lane begins to run any more; guarded by mu
}

// item is a command of a submission on the way to its result.
type item struct {
	number  uint64 // in the order in which they came
	message *bankv1.Command
	*Command
	since time.Time // when it first was to be sent on, or again; zero before
	lost  error     // what came of it last, if it may be sent again
}

// result is what became of one command: the first that is set of lost, refusal, told, outcome.
type result struct {
	tag     uint64
	lost    error
	refusal *Refusal
	told    *bankv1.Result // by the owner
	outcome Outcome
}

func newSubmission(s *Server, principal string) *submission {
	b := &submission{
		Server:    s,
		principal: principal,
		room:      make(chan struct{}, maxInFlight),
		broken:    make(map[string]bool),
		lanes:     make(map[int32]*lane),
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
	b.taken++
	b.queued++
	it := &item{number: b.taken, message: m, Command: c}
	if b.broken[c.customer] {
		b.lose(it, errOvertaken)
		return
	}
	l := b.lane(b.partition(c.customer))
	err := l.take(ctx, it)
	for errors.Is(err, journal.ErrBusy) && b.queued > 1 && ctx.Err() == nil {
		// Answers of this stream come out of the full queue: there will be room.
		b.changed.Wait()
		err = l.take(ctx, it)
	}
	if err != nil {
		b.lose(it, err)
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
	case *bankv1.Command_RedeemRewards:
		return w.RedeemRewards
	}
	return nil
}

// lose answers that the outcome of a command is unknown. The caller holds mu.
func (b *submission) lose(it *item, err error) {
	b.broken[it.customer] = true
	b.answer(it, result{lost: err})
}

// answer leaves the result of a command to send. The caller holds mu.
func (b *submission) answer(it *item, r result) {
	b.queued--
	r.tag = it.message.GetTag()
	b.put(r)
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

// await waits until no lane runs any more, after ctx has ended.
func (b *submission) await() {
	b.mu.Lock()
	b.closed = true
	b.mu.Unlock()
	b.lanesRunning.Wait()
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
	if r.told != nil {
		out.Outcome = r.told.GetOutcome()
		return out
	}
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
