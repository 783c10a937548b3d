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
	"github.com/refold/refold/services/query"
	"github.com/refold/refold/streams/note"
	"github.com/refold/refold/streams/position"
	"github.com/refold/refold/streams/topic"
)

// Config says what is asked, and where it is noted what was read. All but Clock must be set.
type Config struct {
	Reader query.Reader
	// Notes is topic.Notifications, open for event.NameNotificationRead.
	Notes *note.Log
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

// view returns the rows of a customer's task once they are as fresh as wanted. The caller closes it.
func (s *Server) view(ctx context.Context, q query.Question) (*engine.View, error) {
	q.Projection, q.Topic = inbox.Name, topic.Notifications
	if _, err := s.cfg.Reader.Moment(q); err != nil { // before anything is waited for
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, query.Patience)
	defer cancel()
	var err error
	if q.MinOffset, err = s.told(ctx, q); err != nil {
		return nil, err
	}
	return s.cfg.Reader.View(ctx, q)
}

// told returns how far notifications must be folded for a token that speaks of the journal, 0 for any other. It waits
// until the alerts have folded that: what they tell of it stands below the end of the notifications by then, because
// rows are saved after their effects are published.
func (s *Server) told(ctx context.Context, q query.Question) (int64, error) {
	p := topic.Of(q.Customer, s.cfg.Reader.Partitions)
	journal, err := position.Wanted(q.MinPosition, position.Partition{Topic: topic.Transactions, Partition: p})
	if err != nil {
		return 0, fmt.Errorf("min_position: %w", err)
	}
	if journal == 0 {
		return 0, nil
	}
	v, err := s.cfg.Reader.View(ctx, query.Question{Projection: alerts.Name, Customer: q.Customer, MinOffset: journal})
	if err != nil {
		return 0, err
	}
	if err := v.Close(); err != nil {
		return 0, err
	}
	return s.cfg.Notes.End(ctx, p)
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
