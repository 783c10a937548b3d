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

	"github.com/refold/refold/projections/balances"
	"github.com/refold/refold/projections/merchants"
	"github.com/refold/refold/projections/spending"
	"github.com/refold/refold/projections/totals"
	"github.com/refold/refold/schemas/api/bankv1"
	"github.com/refold/refold/schemas/codec"
	"github.com/refold/refold/services/query"
)

// Server is bank.v1.ReportsService. Its methods may be called concurrently; requests come validated by the
// rules of their schema. Its errors are statuses, position.ErrToken, or those of the engine.
type Server struct {
	bankv1.UnimplementedReportsServiceServer
	reader    query.Reader
	balances  codec.Row[balances.Row]
	spending  codec.Row[spending.Row]
	merchants codec.Row[merchants.Row]
	totals    codec.Row[totals.Row]
}

// NewServer returns the service that reads from r. It does no I/O, and fails only where a row type of a projection has
// no codec, which is a programmer's mistake.
func NewServer(r query.Reader) (*Server, error) {
	s := &Server{reader: r}
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

// size returns how many lines a page has.
func size(asked int32) int { return int(cmp.Or(asked, 100)) }
