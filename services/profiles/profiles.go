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

// Notes are where preferences are noted: a note.Log of topic.Profiles, open for event.NamePreferencesSet.
type Notes interface {
	Append(ctx context.Context, partition int32, customer string, n note.Note) (next int64, err error)
	End(ctx context.Context, partition int32) (int64, error)
}

// Config says what is asked, and where preferences are noted. All but Clock must be set.
type Config struct {
	Engine Engine
	Notes  Notes
	// Partitions is the number of partitions of the bank's topics.
	Partitions int32
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
	p := topic.Of(r.GetCustomerId(), s.cfg.Partitions)
	offset, err := position.Wanted(r.GetMinPosition(), position.Partition{Topic: topic.Profiles, Partition: p})
	if err != nil {
		return nil, fmt.Errorf("min_position: %w", err)
	}
	v, row, err := s.read(ctx, r.GetCustomerId(), p, offset)
	if err != nil {
		return nil, err
	}
	out := &bankv1.GetPreferencesResponse{Preferences: answer(row), Freshness: freshness(v)}
	if err := v.Close(); err != nil || row.Revision > 0 {
		return out, err
	}
	known, err := s.known(ctx, r.GetCustomerId(), p)
	if err == nil && !known {
		err = refused(codes.NotFound, ReasonCustomerNotFound, "there is no customer "+r.GetCustomerId())
	}
	return out, err
}

// read returns a customer's row once a position is folded, an empty one where there is none, and the view that it was
// read from. The caller closes the view.
func (s *Server) read(ctx context.Context, customer string, p int32, offset int64) (*engine.View, *preferences.Row, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	v, err := s.cfg.Engine.View(ctx, engine.Query{Projection: preferences.Name, Partition: p, MinOffset: offset})
	if err != nil {
		return nil, nil, err
	}
	row := new(preferences.Row)
	stored, err := v.Load(preferences.Key(customer))
	if err == nil && stored != nil {
		_, err = projection.Decode(s.rows, stored, row)
	}
	if err != nil {
		_ = v.Close() // the other error says more
		return nil, nil, fmt.Errorf("preferences of customer %s: %w", customer, err)
	}
	return v, row, nil
}

// known tells whether there is a customer of this id, by the accounts that something could be told of.
func (s *Server) known(ctx context.Context, customer string, p int32) (found bool, err error) {
	v, err := s.cfg.Engine.View(ctx, engine.Query{Projection: alerts.Name, Partition: p})
	if err != nil {
		return false, err
	}
	defer v.Close()
	err = v.Scan(customer, "", "", func(projection.Key, []byte) bool { found = true; return false })
	return found, err
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
