// Package control starts, watches and ends the replays of projections, and tells why their rows are as they are.
//
// A replay is an operation, named after its projection and generation. Whatever is decided here is an act,
// with who asked and why, in the order of the log of acts; one that does not fit what was decided before it
// changes nothing and is refused.
package control

import (
	"context"
	"crypto/ed25519"
	"fmt"

	"github.com/refold/refold/projections/engine"
	"github.com/refold/refold/schemas/api/refoldv1"
)

// Config says what is controlled. Every field must be set.
type Config struct {
	Engine *engine.Engine
	// Principal returns who asks.
	Principal func(context.Context) string
	// Partitions is the number of partitions of the bank's topics.
	Partitions int32
	// Key returns what certificates are signed with.
	Key func() (ed25519.PrivateKey, error)
}

// Server is refold.v1.ControlService. Its methods may be called concurrently; requests come validated by
// the rules of their schema. Its errors are statuses, position.ErrToken, those of the engine such as
// engine.ErrUnknown, and *acts.Refusal where an act was refused.
type Server struct {
	refoldv1.UnimplementedControlServiceServer
	cfg Config
}

// NewServer returns the service. It does no I/O.
func NewServer(cfg Config) *Server { return &Server{cfg: cfg} }

// ListProjections implements refoldv1.ControlServiceServer. Projections are in the order of the catalog.
func (s *Server) ListProjections(context.Context, *refoldv1.ListProjectionsRequest) (*refoldv1.ListProjectionsResponse, error) {
	out := &refoldv1.ListProjectionsResponse{}
	for _, name := range s.cfg.Engine.Names() {
		live, all, err := s.cfg.Engine.Statuses(name)
		if err != nil {
			return nil, fmt.Errorf("list projections: %w", err)
		}
		p := &refoldv1.Projection{Name: name, Live: live}
		for _, g := range all {
			p.Generations = append(p.Generations, generation(g))
		}
		out.Projections = append(out.Projections, p)
	}
	return out, nil
}

// GetOperation implements refoldv1.ControlServiceServer.
func (s *Server) GetOperation(_ context.Context, r *refoldv1.GetOperationRequest) (*refoldv1.Operation, error) {
	return s.after(r.GetId(), nil)
}

// ListOperations implements refoldv1.ControlServiceServer. The first generation of a projection is none: nobody
// asked for it.
func (s *Server) ListOperations(_ context.Context, r *refoldv1.ListOperationsRequest) (*refoldv1.ListOperationsResponse, error) {
	out, ended := &refoldv1.ListOperationsResponse{}, []*refoldv1.Operation(nil)
	names := s.cfg.Engine.Names()
	if r.GetProjection() != "" {
		names = []string{r.GetProjection()}
	}
	for _, name := range names {
		live, all, err := s.cfg.Engine.Statuses(name)
		if err != nil {
			return nil, fmt.Errorf("list replays: %w", err)
		}
		for _, g := range all {
			switch op := s.operation(name, live, g); {
			case g.Number == 1:
			case g.State == engine.Cancelled || g.State == engine.Standby || g.State == engine.Live:
				ended = append(ended, op)
			default:
				out.Operations = append(out.Operations, op)
			}
		}
	}
	out.Operations = append(out.Operations, ended...)
	return out, nil
}

// Drill implements refoldv1.ControlServiceServer.
func (s *Server) Drill(ctx context.Context, r *refoldv1.DrillRequest) (*refoldv1.DrillResult, error) {
	d, err := s.cfg.Engine.Drill(ctx, r.GetProjection())
	if err != nil {
		return nil, err
	}
	return drill(d), nil
}

// ListDifferences implements refoldv1.ControlServiceServer.
func (s *Server) ListDifferences(ctx context.Context, r *refoldv1.ListDifferencesRequest) (*refoldv1.ListDifferencesResponse, error) {
	n, rows, err := s.cfg.Engine.Differences(ctx, r.GetId())
	if err != nil {
		return nil, err
	}
	out := &refoldv1.ListDifferencesResponse{Differences: n}
	for _, d := range rows {
		out.Rows = append(out.Rows, difference(d))
	}
	return out, nil
}

// Promote implements refoldv1.ControlServiceServer.
func (s *Server) Promote(ctx context.Context, r *refoldv1.PromoteRequest) (*refoldv1.Operation, error) {
	err := s.cfg.Engine.Promote(ctx, r.GetId(), s.cfg.Principal(ctx), r.GetReason(), r.GetForce())
	return s.after(r.GetId(), err)
}

// Rollback implements refoldv1.ControlServiceServer.
func (s *Server) Rollback(ctx context.Context, r *refoldv1.RollbackRequest) (*refoldv1.Operation, error) {
	return s.after(r.GetId(), s.cfg.Engine.Rollback(ctx, r.GetId(), s.cfg.Principal(ctx), r.GetReason()))
}

// Cancel implements refoldv1.ControlServiceServer.
func (s *Server) Cancel(ctx context.Context, r *refoldv1.CancelRequest) (*refoldv1.Operation, error) {
	return s.after(r.GetId(), s.cfg.Engine.Cancel(ctx, r.GetId(), s.cfg.Principal(ctx), r.GetReason()))
}

// Pause implements refoldv1.ControlServiceServer.
func (s *Server) Pause(ctx context.Context, r *refoldv1.PauseRequest) (*refoldv1.Operation, error) {
	return s.after(r.GetId(), s.cfg.Engine.Pause(ctx, r.GetId(), s.cfg.Principal(ctx), r.GetReason()))
}

// Resume implements refoldv1.ControlServiceServer.
func (s *Server) Resume(ctx context.Context, r *refoldv1.ResumeRequest) (*refoldv1.Operation, error) {
	return s.after(r.GetId(), s.cfg.Engine.Resume(ctx, r.GetId(), s.cfg.Principal(ctx), r.GetReason()))
}

// Retry implements refoldv1.ControlServiceServer.
func (s *Server) Retry(ctx context.Context, r *refoldv1.RetryRequest) (*refoldv1.Operation, error) {
	return s.after(r.GetId(), s.cfg.Engine.Retry(ctx, r.GetId(), s.cfg.Principal(ctx), r.GetReason()))
}

// Cap implements refoldv1.ControlServiceServer.
func (s *Server) Cap(ctx context.Context, r *refoldv1.CapRequest) (*refoldv1.Operation, error) {
	return s.after(r.GetId(), s.cfg.Engine.Cap(ctx, r.GetId(), s.cfg.Principal(ctx), r.GetReason(), r.GetMaxRate()))
}

// after returns an operation as it is once something was done about it.
func (s *Server) after(id string, err error) (*refoldv1.Operation, error) {
	if err != nil {
		return nil, err
	}
	name, live, g, err := s.cfg.Engine.Find(id)
	if err != nil {
		return nil, err
	}
	return s.operation(name, live, g), nil
}
