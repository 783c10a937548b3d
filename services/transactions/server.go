package transactions

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/refold/refold/projections/ledger"
	"github.com/refold/refold/projections/projection"
	"github.com/refold/refold/schemas/api/bankv1"
	"github.com/refold/refold/schemas/codec"
	"github.com/refold/refold/schemas/event"
	"github.com/refold/refold/streams/topic"
)

// Config says what the service is made of. Every field but Peers, Hop and Patience must be set.
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
	// Peers are the other instances, and Hop says whether a call comes from one. Nothing is sent on where
	// Peers is nil.
	Peers Peers
	Hop   func(context.Context) bool
	// Patience bounds how long one request is sent on again and again; 5 s where it is zero.
	Patience time.Duration
	// Mail carries the messages of RelayTransfers, and Log takes what it cannot do.
	Mail Mail
	Log  *slog.Logger
	// Explain returns the stable reason of an error of the journal, and the text that callers are told.
	Explain func(error) (reason, text string)
}

// Server is bank.v1.TransactionsService. Its errors are a *Refusal, the sentinels of package journal, those
// of the context, the status that a peer answered with, or else internal ones, whose text is not for callers.
type Server struct {
	bankv1.UnimplementedTransactionsServiceServer
	cfg        Config
	definition *projection.Definition
	news       chan news
}

// NewServer returns the service. It does no I/O.
func NewServer(cfg Config) *Server {
	cfg.Patience = cmp.Or(cfg.Patience, 5*time.Second)
	return &Server{cfg: cfg, definition: ledger.Definition(), news: make(chan news, maxNews)}
}

// OpenAccount implements bankv1.TransactionsServiceServer.
func (s *Server) OpenAccount(ctx context.Context, r *bankv1.OpenAccountRequest) (*bankv1.OpenAccountResponse, error) {
	return call(ctx, s, r, rpc(bankv1.TransactionsServiceClient.OpenAccount, (*Outcome).openedAnswer))
}

// FreezeAccount implements bankv1.TransactionsServiceServer.
func (s *Server) FreezeAccount(ctx context.Context, r *bankv1.FreezeAccountRequest) (*bankv1.FreezeAccountResponse, error) {
	return call(ctx, s, r, rpc(bankv1.TransactionsServiceClient.FreezeAccount, (*Outcome).frozenAnswer))
}

// UnfreezeAccount implements bankv1.TransactionsServiceServer.
func (s *Server) UnfreezeAccount(ctx context.Context, r *bankv1.UnfreezeAccountRequest) (*bankv1.UnfreezeAccountResponse, error) {
	return call(ctx, s, r, rpc(bankv1.TransactionsServiceClient.UnfreezeAccount, (*Outcome).unfrozenAnswer))
}

// CloseAccount implements bankv1.TransactionsServiceServer.
func (s *Server) CloseAccount(ctx context.Context, r *bankv1.CloseAccountRequest) (*bankv1.CloseAccountResponse, error) {
	return call(ctx, s, r, rpc(bankv1.TransactionsServiceClient.CloseAccount, (*Outcome).closedAnswer))
}

// PostEntry implements bankv1.TransactionsServiceServer.
func (s *Server) PostEntry(ctx context.Context, r *bankv1.PostEntryRequest) (*bankv1.PostEntryResponse, error) {
	return call(ctx, s, r, rpc(bankv1.TransactionsServiceClient.PostEntry, (*Outcome).postedAnswer))
}

// PlaceHold implements bankv1.TransactionsServiceServer.
func (s *Server) PlaceHold(ctx context.Context, r *bankv1.PlaceHoldRequest) (*bankv1.PlaceHoldResponse, error) {
	return call(ctx, s, r, rpc(bankv1.TransactionsServiceClient.PlaceHold, (*Outcome).heldAnswer))
}

// CaptureHold implements bankv1.TransactionsServiceServer.
func (s *Server) CaptureHold(ctx context.Context, r *bankv1.CaptureHoldRequest) (*bankv1.CaptureHoldResponse, error) {
	return call(ctx, s, r, rpc(bankv1.TransactionsServiceClient.CaptureHold, (*Outcome).capturedAnswer))
}

// ReleaseHold implements bankv1.TransactionsServiceServer.
func (s *Server) ReleaseHold(ctx context.Context, r *bankv1.ReleaseHoldRequest) (*bankv1.ReleaseHoldResponse, error) {
	return call(ctx, s, r, rpc(bankv1.TransactionsServiceClient.ReleaseHold, (*Outcome).releasedAnswer))
}

// ReverseEntry implements bankv1.TransactionsServiceServer.
func (s *Server) ReverseEntry(ctx context.Context, r *bankv1.ReverseEntryRequest) (*bankv1.ReverseEntryResponse, error) {
	return call(ctx, s, r, rpc(bankv1.TransactionsServiceClient.ReverseEntry, (*Outcome).reversedAnswer))
}

// Transfer implements bankv1.TransactionsServiceServer.
func (s *Server) Transfer(ctx context.Context, r *bankv1.TransferRequest) (*bankv1.TransferResponse, error) {
	return call(ctx, s, r, rpc(bankv1.TransactionsServiceClient.Transfer, (*Outcome).transferAnswer))
}

// PostEntries implements bankv1.TransactionsServiceServer.
func (s *Server) PostEntries(ctx context.Context, r *bankv1.PostEntriesRequest) (*bankv1.PostEntriesResponse, error) {
	return call(ctx, s, r, rpc(bankv1.TransactionsServiceClient.PostEntries, (*Outcome).legsAnswer))
}

// RedeemRewards implements bankv1.TransactionsServiceServer.
func (s *Server) RedeemRewards(ctx context.Context, r *bankv1.RedeemRewardsRequest) (*bankv1.RedeemRewardsResponse, error) {
	return call(ctx, s, r, rpc(bankv1.TransactionsServiceClient.RedeemRewards, (*Outcome).redemptionAnswer))
}

// method is how a command is asked of a peer, and how its answer is made of a fact.
type method[R proto.Message, F fact, A any] struct {
	there  func(bankv1.TransactionsServiceClient, context.Context, R, ...grpc.CallOption) (A, error)
	answer func(*Outcome, F, string) A
}

func rpc[R proto.Message, F fact, A any](
	there func(bankv1.TransactionsServiceClient, context.Context, R, ...grpc.CallOption) (A, error), answer func(*Outcome, F, string) A,
) method[R, F, A] {
	return method[R, F, A]{there, answer}
}

// call takes a command and answers with what it became, here or at the owner.
func call[R proto.Message, F fact, A any](ctx context.Context, s *Server, r R, m method[R, F, A]) (out A, err error) {
	c, refusal := s.command(r, s.cfg.Principal(ctx))
	if refusal != nil {
		return out, refusal
	}
	err = s.run(ctx, errand{
		partition: s.partition(c.customer),
		here: func(ctx context.Context) (err error) {
			out, err = decided(ctx, s, c, m.answer)
			return err
		},
		there: func(ctx context.Context, owner bankv1.TransactionsServiceClient, opts ...grpc.CallOption) (err error) {
			out, err = m.there(owner, ctx, r, opts...)
			return err
		},
	})
	return out, err
}

// decided lets a command be decided here and makes the answer of the fact that it became.
func decided[F fact, A any](ctx context.Context, s *Server, c *Command, answer func(*Outcome, F, string) A) (none A, err error) {
	o, err := s.submit(ctx, c)
	if err != nil {
		return none, err
	}
	f, ok := o.fact.(F)
	if !ok {
		return none, fmt.Errorf("%s on %s: the journal answered with %T", c.wish.name(), c.wish.accountID(), o.fact)
	}
	return answer(&o, f, s.cfg.Topic), nil
}

// command makes a command of a request, for the partition in which its accounts live.
func (s *Server) command(r proto.Message, principal string) (*Command, *Refusal) {
	c, refusal := commandOf(r, principal)
	if refusal != nil {
		return nil, refusal
	}
	w, ok := c.wish.(spread)
	if !ok {
		return c, nil
	}
	for _, id := range w.parties() {
		if s.home(id) == s.partition(c.customer) {
			continue
		}
		t, ok := c.wish.(*transfer)
		if !ok {
			return nil, &Refusal{
				Reason: ReasonCrossPartition,
				Detail: fmt.Sprintf("accounts %s and %s live in different partitions: only a transfer moves money between them", c.wish.accountID(), id),
			}
		}
		c.wish = &sendTransfer{t}
	}
	return c, nil
}

// home returns the partition of an account.
func (s *Server) home(account string) int32 {
	customer, _ := customerOf(account)
	return s.partition(customer)
}

// submit returns the outcome of a command that was accepted; a refusal is an error.
func (s *Server) submit(ctx context.Context, c *Command) (Outcome, error) {
	o, err := s.cfg.Journal.Submit(ctx, s.partition(c.customer), c)
	if err != nil {
		return Outcome{}, err
	}
	s.committed(&o)
	if r := o.refusal(s.cfg.Topic); r != nil {
		return Outcome{}, r
	}
	return o, nil
}

func (s *Server) partition(customer string) int32 { return topic.Of(customer, s.cfg.Partitions) }

// FindByKey implements bankv1.TransactionsServiceServer. The owner of the customer's partition answers it, behind
// every command that was sent before; that nothing is recorded it says only where it is proven to be the owner.
func (s *Server) FindByKey(ctx context.Context, r *bankv1.FindByKeyRequest) (out *bankv1.FindByKeyResponse, err error) {
	err = s.run(ctx, errand{
		partition: s.partition(r.GetCustomerId()),
		here: func(ctx context.Context) (err error) {
			out, err = s.found(ctx, r)
			return err
		},
		there: func(ctx context.Context, owner bankv1.TransactionsServiceClient, opts ...grpc.CallOption) (err error) {
			out, err = owner.FindByKey(ctx, r, opts...)
			return err
		},
	})
	return out, err
}

// found answers a question here.
func (s *Server) found(ctx context.Context, r *bankv1.FindByKeyRequest) (*bankv1.FindByKeyResponse, error) {
	question := &Command{customer: r.GetCustomerId(), key: r.GetIdempotencyKey()}
	o, err := s.cfg.Journal.Submit(ctx, s.partition(question.customer), question)
	if err != nil {
		return nil, err
	}
	if refusal := o.refusal(s.cfg.Topic); refusal != nil && refusal.Record == nil {
		return nil, refusal
	}
	return o.found(s.cfg.Topic), nil
}

// saved is a view of the saved rows of a partition, of any that is followed here. They may have gone on since
// a row was first read; what a row says is true all the same.
func (s *Server) saved(ctx context.Context, p int32) *view {
	return &view{partition: p, now: event.MicrosOf(time.Now()), rows: reading{s.machine(p), ctx}}
}

// machine is one that only reads.
func (s *Server) machine(p int32) *machine {
	return &machine{
		Machines:  &Machines{codec: s.cfg.Codec},
		partition: p,
		overlay:   s.definition.NewFolder(s.cfg.Codec, s.cfg.Ledger.Base(p)),
	}
}
