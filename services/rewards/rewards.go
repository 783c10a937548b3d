// Package rewards answers how many points a customer has, and where they came from and went to.
//
// Points follow from the customer's row and a month, so that the same question about the same position has the
// same answer for ever. Every answer says how fresh it is and which rules gave the points; a question that
// gives a position token is answered no earlier than that position.
package rewards

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/refold/refold/projections/engine"
	"github.com/refold/refold/projections/projection"
	"github.com/refold/refold/projections/rewards"
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

// Server is bank.v1.RewardsService. Its methods may be called concurrently; requests come validated by the
// rules of their schema. Its errors are statuses, position.ErrToken, or those of the engine.
type Server struct {
	bankv1.UnimplementedRewardsServiceServer
	cfg   Config
	rows  codec.Row[rewards.Row]
	rules []rewards.Rules
}

// NewServer returns the service. It does no I/O, and fails only where the row type of the projection has no
// codec, which is a programmer's mistake.
func NewServer(cfg Config) (*Server, error) {
	rows, err := codec.RowOf[rewards.Row]()
	if err != nil {
		return nil, err
	}
	return &Server{cfg: cfg, rows: rows, rules: rewards.Versions()}, nil
}

// question says which rows answer.
type question struct {
	customer string
	// minPosition is the token that the caller gave, "" for none.
	minPosition string
	// from is the page before, the zero page for none.
	from position.Page
	// past asks for the rows as they were; nil, or without a time or position, for as they are.
	past past
}

// view returns the rows of the customer's task once they are as fresh as wanted. The caller closes it.
func (s *Server) view(ctx context.Context, q question) (*engine.View, error) {
	p := topic.Of(q.customer, s.cfg.Partitions)
	offset, err := position.Wanted(q.minPosition, position.Partition{Topic: topic.Transactions, Partition: p})
	if err != nil {
		return nil, fmt.Errorf("min_position: %w", err)
	}
	moment, err := momentOf(q, p)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return s.cfg.Engine.View(ctx, engine.Query{
		Projection: rewards.Name, Partition: p, Generation: q.from.Generation, MinOffset: max(offset, q.from.Next),
		AsOf: moment, Key: q.customer,
	})
}

// summary returns what a customer has.
func (s *Server) summary(v *engine.View, customer string) (*rewards.Summary, error) {
	stored, err := v.Load(rewards.Key(customer))
	if err != nil {
		return nil, err
	}
	if stored == nil {
		return nil, refused(codes.NotFound, ReasonCustomerNotFound, "customer "+customer+" has never bought anything")
	}
	r, err := s.decode(stored)
	if err == nil && r.Summary == nil {
		err = errors.New("the row is no summary")
	}
	if err != nil {
		return nil, fmt.Errorf("customer %s: %w", customer, err)
	}
	return r.Summary, nil
}

func (s *Server) decode(stored []byte) (*rewards.Row, error) {
	r := new(rewards.Row)
	_, err := projection.Decode(s.rows, stored, r)
	return r, err
}

// rulesOf returns the rules that the rows of a view were folded by.
func (s *Server) rulesOf(v *engine.View) (*rewards.Rules, error) {
	i := slices.IndexFunc(s.rules, func(r rewards.Rules) bool { return r.Version == v.Version })
	if i < 0 {
		return nil, fmt.Errorf("this build has no rules %d", v.Version)
	}
	return &s.rules[i], nil
}
