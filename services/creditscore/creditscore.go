// Package creditscore answers how a customer handles money: the score, what it was made of, and how it
// changed.
//
// A score follows from the customer's row and a day, so that the same question about the same position has
// the same answer for ever, on every instance. Every answer says how fresh it is and which model gave it; a
// question that gives a position token is answered no earlier than that position.
package creditscore

import (
	"fmt"
	"slices"

	"google.golang.org/grpc/codes"

	"github.com/refold/refold/projections/creditscore"
	"github.com/refold/refold/projections/engine"
	"github.com/refold/refold/projections/projection"
	"github.com/refold/refold/schemas/api/bankv1"
	"github.com/refold/refold/schemas/codec"
	"github.com/refold/refold/services/query"
)

// Server is bank.v1.CreditScoreService. Its methods may be called concurrently; requests come validated by
// the rules of their schema. Its errors are statuses, position.ErrToken, or those of the engine.
type Server struct {
	bankv1.UnimplementedCreditScoreServiceServer
	reader query.Reader
	rows   codec.Row[creditscore.Row]
	models []creditscore.Model
}

// NewServer returns the service that reads from r. It does no I/O, and fails only where the row type of the projection has
// no codec, which is a programmer's mistake.
func NewServer(r query.Reader) (*Server, error) {
	rows, err := codec.RowOf[creditscore.Row]()
	if err != nil {
		return nil, err
	}
	return &Server{reader: r, rows: rows, models: creditscore.Models()}, nil
}

// row returns a customer's row.
func (s *Server) row(v *engine.View, customer string) (*creditscore.Row, error) {
	stored, err := v.Load(creditscore.Key(customer))
	if err != nil {
		return nil, err
	}
	if stored == nil {
		return nil, query.Refused(codes.NotFound, query.ReasonCustomerNotFound, "there is no customer "+customer+" with an account")
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
