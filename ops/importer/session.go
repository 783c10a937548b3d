package importer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/refold/refold/schemas/api/bankv1"
)

// maxAnswer is the largest message that is taken from the server, in bytes. An answer carries whole
// entries, and is larger than the question.
const maxAnswer = 64 << 20

// farewell is how long a stream that has answered everything may take to end.
const farewell = time.Second

// session is one stream. Its goroutine owns all state; one other only sends and one only receives, so that
// neither a server that does not read nor one that does not write can stop the three.
type session struct {
	d      *delivery
	stream grpc.BidiStreamingClient[bankv1.SubmitRequest, bankv1.SubmitResponse]
	out    chan *bankv1.SubmitRequest
	in     chan *bankv1.SubmitResponse
	// lost carries why the stream is of no more use.
	lost chan error
	// ended is closed when nothing more is received.
	ended chan struct{}
	// request is the next message to be sent, or nil.
	request *bankv1.SubmitRequest
	// unavailable is set when the server said so: from then on nothing is sent, so that commands of an
	// account which are behind the one that was not decided do not overtake it.
	unavailable error
	// heard is when the server gave its last answer, or when it owed none.
	heard time.Time
}

// runSession opens a stream and works on it until everything is answered, which is no error, or the stream
// is of no more use, which is a *broken where another one may be.
func runSession(ctx context.Context, d *delivery) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := d.Client.Submit(ctx, grpc.MaxCallRecvMsgSize(maxAnswer))
	if err != nil {
		return lost(err)
	}
	s := &session{
		d:      d,
		stream: stream,
		out:    make(chan *bankv1.SubmitRequest),
		in:     make(chan *bankv1.SubmitResponse),
		lost:   make(chan error, 2),
		ended:  make(chan struct{}),
		heard:  time.Now(),
	}
	var both sync.WaitGroup
	both.Go(s.send)
	both.Go(func() { s.receive(ctx) })
	err = s.work(ctx)
	close(s.out)
	if err == nil {
		s.part(ctx)
	}
	cancel()
	both.Wait()
	return err
}

// send sends what it is given and then says that nothing follows.
func (s *session) send() {
	for request := range s.out {
		if err := s.stream.Send(request); err != nil {
			// What receive does not report is the message's own fault, and would be again.
			if !errors.Is(err, io.EOF) {
				s.lost <- err
			}
			return
		}
	}
	// An error here is the stream's, which receive reports.
	_ = s.stream.CloseSend()
}

// receive hands answers over until there are no more.
func (s *session) receive(ctx context.Context) {
	defer close(s.ended)
	for {
		answer, err := s.stream.Recv()
		if err != nil {
			s.lost <- lost(err)
			return
		}
		select {
		case s.in <- answer:
		case <-ctx.Done():
			return
		}
	}
}

// work is the loop of the goroutine that owns the state.
func (s *session) work(ctx context.Context) error {
	tick := time.NewTicker(reportEvery)
	defer tick.Stop()
	for {
		if s.unavailable != nil && s.d.flight.aloft == 0 {
			return &broken{s.unavailable}
		}
		if s.d.done() {
			return s.d.failed()
		}
		out := s.prepare()
		select {
		case out <- s.request:
			s.sent()
		case b := <-s.more():
			if err := s.d.take(b); err != nil {
				return err
			}
		case answer := <-s.in:
			if err := s.hear(answer); err != nil {
				return err
			}
		case err := <-s.lost:
			return err
		case <-tick.C:
			s.d.report(reportEvery)
			if s.d.flight.aloft > 0 && time.Since(s.heard) > s.d.Patience {
				return fmt.Errorf("no answer for %s, with %d commands unanswered; the same import can be run again", s.d.Patience, len(s.d.flight.waiting))
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// prepare makes the next message, and returns where to send it: nil, where nobody receives, while there is
// nothing to send.
func (s *session) prepare() chan<- *bankv1.SubmitRequest {
	if s.unavailable != nil {
		return nil
	}
	if s.request == nil {
		next := s.d.flight.next(s.d.Batch)
		if len(next) == 0 {
			return nil
		}
		s.request = &bankv1.SubmitRequest{Commands: make([]*bankv1.Command, len(next))}
		for i, c := range next {
			s.request.Commands[i] = c.pb
		}
	}
	return s.out
}

func (s *session) sent() {
	if s.d.flight.aloft == 0 {
		s.heard = time.Now()
	}
	s.d.flight.send(len(s.request.Commands))
	s.request = nil
}

// more returns where further rows come from: nil, where none ever come, while there are enough.
func (s *session) more() <-chan block {
	if s.d.ended != nil || len(s.d.flight.waiting) > s.d.Batch*(s.d.InFlight-1) {
		return nil
	}
	return s.d.blocks
}

// hear takes answers in.
func (s *session) hear(answer *bankv1.SubmitResponse) error {
	for _, r := range answer.Results {
		c := s.d.flight.answered(r.Tag)
		if c == nil {
			return fmt.Errorf("the server answered a command with tag %d, which waits for no answer", r.Tag)
		}
		if o, ok := r.Outcome.(*bankv1.Result_Unavailable); ok {
			s.unavailable = fmt.Errorf("the bank is unavailable: %s", o.Unavailable)
			continue
		}
		s.heard = time.Now()
		if err := s.d.settle(c, r); err != nil {
			return err
		}
	}
	return nil
}

// part waits until the server has ended the stream as well, for it may count what is cut off as an error.
func (s *session) part(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, farewell)
	defer cancel()
	select {
	case <-s.ended:
	case <-ctx.Done():
	}
}

// lost tells ends of a stream after which another one may do better from those that would repeat.
func lost(err error) error {
	if errors.Is(err, io.EOF) {
		return &broken{errors.New("the server ended the stream")}
	}
	switch status.Code(err) {
	case codes.InvalidArgument, codes.PermissionDenied, codes.Unauthenticated, codes.Unimplemented:
		return err
	}
	return &broken{err}
}
