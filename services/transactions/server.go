package transactions

import (
	"context"
	"errors"
	"fmt"

	"google.golang.org/protobuf/proto"

	"github.com/refold/refold/projections/ledger"
	"github.com/refold/refold/projections/projection"
	"github.com/refold/refold/schemas/api/bankv1"
	"github.com/refold/refold/schemas/codec"
	"github.com/refold/refold/schemas/event"
	"github.com/refold/refold/streams/journal"
	"github.com/refold/refold/streams/topic"
)

// Config says what the service is made of. Every field must be set.
type Config struct {
	Journal *Journal
	Ledger  Ledger
	Codec   *codec.Codec
	// Topic is the journal's topic, and Partitions the number of its partitions.
	Topic      string
	Partitions int32
	// Principal returns who asks.
	Principal func(context.Context) string
	// Validate checks a command of a Submit by the rules of its schema. Unary requests come validated.
	Validate func(proto.Message) error
}

// Server is bank.v1.TransactionsService. Its errors are a *Refusal, the sentinels of package journal, those
// of the context, or else internal ones, whose text is not for callers.
type Server struct {
	bankv1.UnimplementedTransactionsServiceServer
	cfg        Config
	definition *projection.Definition
}

// NewServer returns the service. It does no I/O.
func NewServer(cfg Config) *Server {
	return &Server{cfg: cfg, definition: ledger.Definition()}
}

// OpenAccount implements bankv1.TransactionsServiceServer.
func (s *Server) OpenAccount(ctx context.Context, r *bankv1.OpenAccountRequest) (*bankv1.OpenAccountResponse, error) {
	c, refusal := newOpenAccount(r, s.cfg.Principal(ctx))
	if refusal != nil {
		return nil, refusal
	}
	o, err := s.submit(ctx, c)
	if err != nil {
		return nil, err
	}
	e, ok := o.fact.(*event.AccountOpened)
	if !ok {
		return nil, fmt.Errorf("open account %s: the journal answered with %T", r.GetAccountId(), o.fact)
	}
	return o.openedAnswer(e, s.cfg.Topic), nil
}

// PostEntry implements bankv1.TransactionsServiceServer.
func (s *Server) PostEntry(ctx context.Context, r *bankv1.PostEntryRequest) (*bankv1.PostEntryResponse, error) {
	c, refusal := newPostEntry(r, s.cfg.Principal(ctx))
	if refusal != nil {
		return nil, refusal
	}
	o, err := s.submit(ctx, c)
	if err != nil {
		return nil, err
	}
	e, ok := o.fact.(*event.EntryPosted)
	if !ok {
		return nil, fmt.Errorf("post an entry to %s: the journal answered with %T", r.GetAccountId(), o.fact)
	}
	return o.postedAnswer(e, s.cfg.Topic), nil
}

// submit returns the outcome of a command that was accepted; a refusal is an error.
func (s *Server) submit(ctx context.Context, c *Command) (Outcome, error) {
	o, err := s.cfg.Journal.Submit(ctx, s.partition(c.customer), c)
	if err != nil {
		return Outcome{}, err
	}
	if r := o.refusal(s.cfg.Topic); r != nil {
		return Outcome{}, r
	}
	return o, nil
}

func (s *Server) partition(customer string) int32 { return topic.Of(customer, s.cfg.Partitions) }

// FindByKey implements bankv1.TransactionsServiceServer. Where this process owns the customer's partition
// it answers behind every command that was sent before; elsewhere from the rows as they are here.
func (s *Server) FindByKey(ctx context.Context, r *bankv1.FindByKeyRequest) (*bankv1.FindByKeyResponse, error) {
	question := &Command{customer: r.GetCustomerId(), key: r.GetIdempotencyKey()}
	o, err := s.cfg.Journal.Submit(ctx, s.partition(question.customer), question)
	if errors.Is(err, journal.ErrNotOwner) {
		o, err = s.saved(ctx, question)
	}
	if err != nil {
		return nil, err
	}
	switch e := o.fact.(type) {
	case *event.AccountOpened:
		return &bankv1.FindByKeyResponse{Outcome: &bankv1.FindByKeyResponse_Opened{Opened: o.openedAnswer(e, s.cfg.Topic)}}, nil
	case *event.EntryPosted:
		return &bankv1.FindByKeyResponse{Outcome: &bankv1.FindByKeyResponse_Posted{Posted: o.postedAnswer(e, s.cfg.Topic)}}, nil
	}
	refusal := o.refusal(s.cfg.Topic)
	if refusal.Record == nil {
		return nil, refusal
	}
	return &bankv1.FindByKeyResponse{Outcome: &bankv1.FindByKeyResponse_Rejected{Rejected: refusal.rejection()}}, nil
}

// saved answers a question from the saved rows.
func (s *Server) saved(ctx context.Context, question *Command) (Outcome, error) {
	p := s.partition(question.customer)
	m := machine{
		Machines:  &Machines{codec: s.cfg.Codec},
		partition: p,
		overlay:   s.definition.NewFolder(s.cfg.Codec, s.cfg.Ledger.Base(p)),
	}
	o, _, err := m.Find(ctx, question)
	return o, err
}
