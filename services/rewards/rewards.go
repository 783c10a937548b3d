// Package rewards answers how many points a customer has, and where they came from and went to.
//
// Points follow from the customer's row and a month, so that the same question about the same position has the
// same answer for ever. Every answer says how fresh it is and which rules gave the points; a question that
// gives a position token is answered no earlier than that position.
package rewards

import (
	"errors"
	"fmt"
	"slices"

	"google.golang.org/grpc/codes"

	"github.com/refold/refold/projections/engine"
	"github.com/refold/refold/projections/projection"
	"github.com/refold/refold/projections/rewards"
	"github.com/refold/refold/schemas/api/bankv1"
	"github.com/refold/refold/schemas/codec"
	"github.com/refold/refold/services/query"
)

// Server is bank.v1.RewardsService. Its methods may be called concurrently; requests come validated by the
// rules of their schema. Its errors are statuses, position.ErrToken, or those of the engine.
type Server struct {
	bankv1.UnimplementedRewardsServiceServer
	reader query.Reader
	rows   codec.Row[rewards.Row]
	rules  []rewards.Rules
}

// NewServer returns the service that reads from r. It does no I/O, and fails only where the row type of the projection has
// no codec, which is a programmer's mistake.
func NewServer(r query.Reader) (*Server, error) {
	rows, err := codec.RowOf[rewards.Row]()
	if err != nil {
		return nil, err
	}
	return &Server{reader: r, rows: rows, rules: rewards.Versions()}, nil
}

// summary returns what a customer has.
func (s *Server) summary(v *engine.View, customer string) (*rewards.Summary, error) {
	stored, err := v.Load(rewards.Key(customer))
	if err != nil {
		return nil, err
	}
	if stored == nil {
		return nil, query.Refused(codes.NotFound, query.ReasonCustomerNotFound, "customer "+customer+" has never bought anything")
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
