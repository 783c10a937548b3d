// Package profiles keeps of what customers want to be told, and where they are.
//
// Preferences are notes (package note): whoever sets them says which revision they make, and the fold lets of several
// that make the same one the first count. So a setting is answered when it is folded, by what became of it, and one
// that did not count is set again, upon what did. No writer is fenced, and a note that comes again changes nothing.
package profiles

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/refold/refold/projections/alerts"
	"github.com/refold/refold/projections/engine"
	"github.com/refold/refold/projections/preferences"
	"github.com/refold/refold/projections/projection"
	"github.com/refold/refold/schemas/api/bankv1"
	"github.com/refold/refold/schemas/codec"
	"github.com/refold/refold/schemas/event"
	"github.com/refold/refold/services/query"
	"github.com/refold/refold/streams/note"
	"github.com/refold/refold/streams/topic"
)

// Notes are where preferences are noted: a note.Log of topic.Profiles, open for event.NamePreferencesSet.
type Notes interface {
	Append(ctx context.Context, partition int32, customer string, n note.Note) (next int64, err error)
	End(ctx context.Context, partition int32) (int64, error)
}

// Config says what is asked, and where preferences are noted. All but Clock must be set.
type Config struct {
	Reader query.Reader
	Notes  Notes
	// Principal returns who calls.
	Principal func(context.Context) string
	// Clock tells when something was set; time.Now where it is nil.
	Clock func() time.Time
}

// Server is bank.v1.ProfilesService. Its methods may be called concurrently; requests come validated by the rules of
// their schema. Its errors are statuses, position.ErrToken, note.ErrUnknown, or those of the engine.
type Server struct {
	bankv1.UnimplementedProfilesServiceServer
	cfg  Config
	rows codec.Row[preferences.Row]
}

// NewServer returns the service. It does no I/O, and fails only where the row type of the projection has no
// codec, which is a programmer's mistake.
func NewServer(cfg Config) (*Server, error) {
	rows, err := codec.RowOf[preferences.Row]()
	if err != nil {
		return nil, err
	}
	if cfg.Clock == nil {
		cfg.Clock = time.Now
	}
	return &Server{cfg: cfg, rows: rows}, nil
}

// GetPreferences implements bankv1.ProfilesServiceServer.
func (s *Server) GetPreferences(ctx context.Context, r *bankv1.GetPreferencesRequest) (*bankv1.GetPreferencesResponse, error) {
	v, row, err := s.read(ctx, query.Question{Customer: r.GetCustomerId(), MinPosition: r.GetMinPosition()})
	if err != nil {
		return nil, err
	}
	out := &bankv1.GetPreferencesResponse{Preferences: answer(row), Freshness: query.Freshness(v)}
	if err := v.Close(); err != nil || row.Revision > 0 {
		return out, err
	}
	known, err := s.cfg.Reader.Holds(ctx, alerts.Name, r.GetCustomerId())
	if err == nil && !known {
		err = query.Refused(codes.NotFound, query.ReasonCustomerNotFound, "there is no customer "+r.GetCustomerId())
	}
	return out, err
}

// read returns a customer's row, an empty one where there is none, and the view that it was read from. The caller
// closes the view.
func (s *Server) read(ctx context.Context, q query.Question) (*engine.View, *preferences.Row, error) {
	q.Projection, q.Topic = preferences.Name, topic.Profiles
	v, err := s.cfg.Reader.View(ctx, q)
	if err != nil {
		return nil, nil, err
	}
	row := new(preferences.Row)
	stored, err := v.Load(preferences.Key(q.Customer))
	if err == nil && stored != nil {
		_, err = projection.Decode(s.rows, stored, row)
	}
	if err != nil {
		_ = v.Close() // the other error says more
		return nil, nil, fmt.Errorf("preferences of customer %s: %w", q.Customer, err)
	}
	return v, row, nil
}

// answer returns the preferences of a row.
func answer(r *preferences.Row) *bankv1.Preferences {
	out := &bankv1.Preferences{TimeZone: r.TimeZone, Revision: r.Revision}
	for _, rule := range r.Rules {
		out.Rules = append(out.Rules, &bankv1.AlertRule{
			Kind: bankv1.AlertKind(bankv1.AlertKind_value[kindPrefix+rule.Kind]), Off: rule.Off, Limit: rule.Limit,
		})
	}
	if len(r.Set) > 0 {
		out.SetAt = at(r.Set[len(r.Set)-1].At)
	}
	return out
}

// kindPrefix is what the kinds of the API begin with, and those of events do not.
const kindPrefix = "ALERT_KIND_"

func at(t event.Micros) *timestamppb.Timestamp { return timestamppb.New(t.Time()) }
