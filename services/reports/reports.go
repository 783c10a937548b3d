// Package reports answers questions from projections: accounts, statements, spending.
//
// Every answer is read from one task of one generation as it was at one moment, and says how fresh it is:
// up to which position its rows were folded, and how much is not folded yet. A question that gives a
// position token is answered no earlier than that position.
//
// The bank's own accounts are no customer's and are not to be found here.
package reports

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/refold/refold/projections/balances"
	"github.com/refold/refold/projections/engine"
	"github.com/refold/refold/projections/merchants"
	"github.com/refold/refold/projections/spending"
	"github.com/refold/refold/projections/totals"
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

// Server is bank.v1.ReportsService. Its methods may be called concurrently; requests come validated by the
// rules of their schema. Its errors are statuses, position.ErrToken, or those of the engine.
type Server struct {
	bankv1.UnimplementedReportsServiceServer
	cfg       Config
	balances  codec.Row[balances.Row]
	spending  codec.Row[spending.Row]
	merchants codec.Row[merchants.Row]
	totals    codec.Row[totals.Row]
}

// NewServer returns the service. It does no I/O, and fails only where a row type of a projection has no
// codec, which is a programmer's mistake.
func NewServer(cfg Config) (*Server, error) {
	s := &Server{cfg: cfg}
	var err error
	if s.balances, err = codec.RowOf[balances.Row](); err != nil {
		return nil, err
	}
	if s.spending, err = codec.RowOf[spending.Row](); err != nil {
		return nil, err
	}
	if s.merchants, err = codec.RowOf[merchants.Row](); err != nil {
		return nil, err
	}
	if s.totals, err = codec.RowOf[totals.Row](); err != nil {
		return nil, err
	}
	return s, nil
}

// question says which rows answer.
type question struct {
	projection string
	customer   string
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
		Projection: q.projection,
		Partition:  p,
		Generation: q.from.Generation,
		MinOffset:  max(offset, q.from.Next),
		AsOf:       moment,
		Key:        q.customer,
	})
}

// size returns how many lines a page has.
func size(asked int32) int { return int(cmp.Or(asked, 100)) }
