// Package query is what the services that answer from projections do alike: they find the rows of a customer once
// those are as fresh as wanted, say how fresh they are, and refuse a question in one form.
//
// Every answer is read from one task of one generation as it was at one moment. A question that gives a position token
// is answered no earlier than that position.
package query

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/refold/refold/projections/engine"
	"github.com/refold/refold/projections/projection"
	"github.com/refold/refold/streams/position"
	"github.com/refold/refold/streams/topic"
)

// Patience bounds the wait for a position.
const Patience = 5 * time.Second

// Engine gives views of projections. Package engine implements it.
type Engine interface {
	// View returns the rows of one task once a position is folded; engine.ErrBehind where ctx ends first,
	// engine.ErrNotHere where this process does not hold the rows. The caller closes it.
	View(ctx context.Context, q engine.Query) (*engine.View, error)
}

// Reader finds the rows of customers. Both fields must be set. Its methods may be called concurrently; their errors are
// statuses, position.ErrToken, or those of the engine.
type Reader struct {
	Engine Engine
	// Partitions is the number of partitions of the bank's topics.
	Partitions int32
}

// Question says which rows answer.
type Question struct {
	Projection string
	Customer   string
	// Topic is the source that positions speak of; topic.Transactions where it is "".
	Topic string
	// MinPosition is the token that the caller gave, "" for none. MinOffset is what must be folded in any case.
	MinPosition string
	MinOffset   int64
	// From is the page before, the zero page for none.
	From position.Page
	// Past asks for the rows as they were; nil, or without a time or position, for as they are.
	Past Past
}

// place returns the partition that positions speak of.
func (r Reader) place(q Question) position.Partition {
	return position.Partition{Topic: cmp.Or(q.Topic, topic.Transactions), Partition: topic.Of(q.Customer, r.Partitions)}
}

// View returns the rows of the customer's task once they are as fresh as wanted. The caller closes it.
func (r Reader) View(ctx context.Context, q Question) (*engine.View, error) {
	at := r.place(q)
	offset, err := position.Wanted(q.MinPosition, at)
	if err != nil {
		return nil, fmt.Errorf("min_position: %w", err)
	}
	moment, err := r.Moment(q)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, Patience)
	defer cancel()
	return r.Engine.View(ctx, engine.Query{
		Projection: q.Projection,
		Partition:  at.Partition,
		Generation: q.From.Generation,
		MinOffset:  max(offset, q.MinOffset, q.From.Next),
		AsOf:       moment,
		Key:        q.Customer,
	})
}

// Holds tells whether a projection has rows of a customer.
func (r Reader) Holds(ctx context.Context, name, customer string) (found bool, err error) {
	v, err := r.View(ctx, Question{Projection: name, Customer: customer})
	if err != nil {
		return false, err
	}
	err = v.Scan(customer, "", "", func(projection.Key, []byte) bool { found = true; return false })
	return found, errors.Join(err, v.Close())
}

// Expired returns why the next page of a question cannot be answered: what View said or, where the generation of the
// pages before is gone and another one is live, that.
func (r Reader) Expired(ctx context.Context, q Question, err error) error {
	if q.From.Generation == 0 || !errors.Is(err, engine.ErrNotHere) {
		return err
	}
	live, problem := r.View(ctx, Question{Projection: q.Projection, Customer: q.Customer})
	if problem != nil {
		return err
	}
	text := fmt.Sprintf("the rows of the first page are gone, generation %d is live: begin with the first page", live.Generation)
	return errors.Join(Refused(codes.Aborted, ReasonPageExpired, text), live.Close())
}
