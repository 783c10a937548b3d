// Package creditscore answers how a customer handles money: the score, what it was made of, and how it
// changed.
//
// A score follows from the customer's row and a day, so that the same question about the same position has
// the same answer for ever, on every instance. Every answer says how fresh it is and which model gave it; a
// question that gives a position token is answered no earlier than that position.
package creditscore

import (
	"context"
	"fmt"
	"slices"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/refold/refold/projections/creditscore"
	"github.com/refold/refold/projections/engine"
	"github.com/refold/refold/projections/projection"
	"github.com/refold/refold/schemas/api/bankv1"
	"github.com/refold/refold/schemas/codec"
	"github.com/refold/refold/streams/position"
	"github.com/refold/refold/streams/topic"
)

// patience bounds the wait for a position.
const patience = 5 * time.Second

// Engine gives views of projections. Package engine implements it.
type Engine interface {
	// View returns the rows of one task once a position is folded; engine.ErrBehind where ctx ends first,
	// engine.ErrNotHere where this process does not hold the rows. The caller closes it.
	View(ctx context.Context, q engine.Query) (*engine.View, error)
}

// Config says what is asked. Engine and Partitions must be set.
type Config struct {
	Engine Engine
	// Partitions is the number of partitions of the bank's topics.
	Partitions int32
}

// Server is bank.v1.CreditScoreService. Its methods may be called concurrently; requests come validated by
// the rules of their schema. Its errors are statuses, position.ErrToken, or those of the engine.
type Server struct {
	bankv1.UnimplementedCreditScoreServiceServer
	cfg    Config
	rows   codec.Row[creditscore.Row]
	models []creditscore.Model
}

// NewServer returns the service. It does no I/O, and fails only where the row type of the projection has no
// codec, which is a programmer's mistake.
func NewServer(cfg Config) (*Server, error) {
	rows, err := codec.RowOf[creditscore.Row]()
	if err != nil {
		return nil, err
	}
	return &Server{cfg: cfg, rows: rows, models: creditscore.Models()}, nil
}

// question says which row answers.
type question struct {
	customer string
	// minPosition is the token that the caller gave, "" for none.
	minPosition string
	// from is the page before, the zero page for none.
	from position.Page
}

// view returns the rows of the customer's task once they are as fresh as wanted. The caller closes it.
func (s *Server) view(ctx context.Context, q question) (*engine.View, error) {
	p := topic.Of(q.customer, s.cfg.Partitions)
	offset, err := position.Wanted(q.minPosition, position.Partition{Topic: topic.Transactions, Partition: p})
	if err != nil {
		return nil, fmt.Errorf("min_position: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return s.cfg.Engine.View(ctx, engine.Query{
		Projection: creditscore.Name, Partition: p, Generation: q.from.Generation, MinOffset: max(offset, q.from.Next),
	})
}

// row returns a customer's row.
func (s *Server) row(v *engine.View, customer string) (*creditscore.Row, error) {
	stored, err := v.Load(creditscore.Key(customer))
	if err != nil {
		return nil, err
	}
	if stored == nil {
		return nil, refused(codes.NotFound, ReasonCustomerNotFound, "there is no customer "+customer+" with an account")
	}
	r := new(creditscore.Row)
	if _, err := projection.Decode(s.rows, stored, r); err != nil {
		return nil, fmt.Errorf("customer %s: %w", customer, err)
	}
	return r, nil
}

// model returns the model that the rows of a view were scored with.
func (s *Server) model(v *engine.View) (creditscore.Model, error) {
	i := slices.IndexFunc(s.models, func(m creditscore.Model) bool { return m.Version == v.Version })
	if i < 0 {
		return creditscore.Model{}, fmt.Errorf("this build has no model %d", v.Version)
	}
	return s.models[i], nil
}
