// Package inbox answers what a customer was told, and takes what they have read of it.
//
// What was read is a note on the very topic that the notifications stand on (package note): the first one counts,
// which the fold decides, so that two who say it at the same time need not know of each other, and who does not know
// whether it was recorded says it again. Every answer says how fresh it is; a question that gives a position is
// answered no earlier than that position.
package inbox

import (
	"context"
	"fmt"
	"time"

	"github.com/refold/refold/projections/alerts"
	"github.com/refold/refold/projections/engine"
	"github.com/refold/refold/projections/inbox"
	"github.com/refold/refold/projections/projection"
	"github.com/refold/refold/schemas/api/bankv1"
	"github.com/refold/refold/schemas/codec"
	"github.com/refold/refold/streams/note"
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

// Config says what is asked, and where it is noted what was read. All but Clock must be set.
type Config struct {
	Engine Engine
	// Notes is topic.Notifications, open for event.NameNotificationRead.
	Notes *note.Log
	// Partitions is the number of partitions of the bank's topics.
	Partitions int32
	// Principal returns who calls.
	Principal func(context.Context) string
	// Clock tells when something was read; time.Now where it is nil.
	Clock func() time.Time
}

// Server is bank.v1.InboxService. Its methods may be called concurrently; requests come validated by the rules of
// their schema. Its errors are statuses, position.ErrToken, note.ErrUnknown, or those of the engine.
type Server struct {
	bankv1.UnimplementedInboxServiceServer
	cfg  Config
	rows codec.Row[inbox.Row]
}

// NewServer returns the service. It does no I/O, and fails only where the row type of the projection has no
// codec, which is a programmer's mistake.
func NewServer(cfg Config) (*Server, error) {
	rows, err := codec.RowOf[inbox.Row]()
	if err != nil {
		return nil, err
	}
	if cfg.Clock == nil {
		cfg.Clock = time.Now
	}
	return &Server{cfg: cfg, rows: rows}, nil
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
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	moment, err := momentOf(q, p)
	if err != nil {
		return nil, err
	}
	offset, err := s.wanted(ctx, q.minPosition, p)
	if err != nil {
		return nil, err
	}
	return s.cfg.Engine.View(ctx, engine.Query{
		Projection: inbox.Name, Partition: p, Generation: q.from.Generation, MinOffset: max(offset, q.from.Next),
		AsOf: moment, Key: q.customer,
	})
}

// wanted returns how far notifications must be folded for a token. One that speaks of the journal is waited for until
// the alerts have folded it: what they tell of it stands below the end of the notifications by then, because rows are
// saved after their effects are published.
func (s *Server) wanted(ctx context.Context, token string, p int32) (int64, error) {
	offset, err := position.Wanted(token, position.Partition{Topic: topic.Notifications, Partition: p})
	if err != nil {
		return 0, fmt.Errorf("min_position: %w", err)
	}
	journal, err := position.Wanted(token, position.Partition{Topic: topic.Transactions, Partition: p})
	if err != nil || journal == 0 {
		return offset, err
	}
	v, err := s.cfg.Engine.View(ctx, engine.Query{Projection: alerts.Name, Partition: p, MinOffset: journal})
	if err != nil {
		return 0, err
	}
	if err := v.Close(); err != nil {
		return 0, err
	}
	end, err := s.cfg.Notes.End(ctx, p)
	return max(offset, end), err
}

// known tells whether there is a customer of this id, by the accounts that something could be told of.
func (s *Server) known(ctx context.Context, customer string) (found bool, err error) {
	v, err := s.cfg.Engine.View(ctx, engine.Query{Projection: alerts.Name, Partition: topic.Of(customer, s.cfg.Partitions)})
	if err != nil {
		return false, err
	}
	defer v.Close()
	err = v.Scan(customer, "", "", func(projection.Key, []byte) bool { found = true; return false })
	return found, err
}

// scan calls fn for what a customer was told, the newest first, until it returns false.
func (s *Server) scan(v *engine.View, customer string, fn func(sort string, r *inbox.Row) bool) error {
	var broken error
	err := v.Scan(customer, "", "", func(k projection.Key, stored []byte) bool {
		r := new(inbox.Row)
		if _, broken = projection.Decode(s.rows, stored, r); broken != nil {
			return false
		}
		return !r.Told() || fn(k.Sort, r)
	})
	if err == nil && broken != nil {
		err = fmt.Errorf("inbox of customer %s: %w", customer, broken)
	}
	return err
}
