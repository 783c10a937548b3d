package control

import (
	"context"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/refold/refold/projections/engine"
	"github.com/refold/refold/schemas/api/refoldv1"
)

// ListParked implements refoldv1.ControlServiceServer.
func (s *Server) ListParked(_ context.Context, r *refoldv1.ListParkedRequest) (*refoldv1.ListParkedResponse, error) {
	rows, err := s.cfg.Engine.Parked(r.GetProjection())
	if err != nil {
		return nil, err
	}
	return &refoldv1.ListParkedResponse{Rows: parkedRows(rows)}, nil
}

// RetryParked implements refoldv1.ControlServiceServer.
func (s *Server) RetryParked(ctx context.Context, r *refoldv1.RetryParkedRequest) (*refoldv1.RetryParkedResponse, error) {
	row, err := s.cfg.Engine.FindParked(r.GetProjection(), r.GetKey(), key)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	left, err := s.cfg.Engine.RetryParked(ctx, r.GetProjection(), row, s.cfg.Principal(ctx), r.GetReason())
	if err != nil {
		return nil, err
	}
	return &refoldv1.RetryParkedResponse{Rows: parkedRows(left)}, nil
}

// DiscardParked implements refoldv1.ControlServiceServer.
func (s *Server) DiscardParked(ctx context.Context, r *refoldv1.DiscardParkedRequest) (*refoldv1.DiscardParkedResponse, error) {
	row, err := s.cfg.Engine.FindParked(r.GetProjection(), r.GetKey(), key)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	left, err := s.cfg.Engine.DiscardParked(ctx, r.GetProjection(), row, s.cfg.Principal(ctx), r.GetReason())
	if err != nil {
		return nil, err
	}
	return &refoldv1.DiscardParkedResponse{Rows: parkedRows(left)}, nil
}

func parkedRows(rows []engine.ParkedRow) (out []*refoldv1.ParkedRow) {
	for _, row := range rows {
		out = append(out, parkedRow(row))
	}
	return out
}

func parkedRow(r engine.ParkedRow) *refoldv1.ParkedRow {
	return &refoldv1.ParkedRow{
		Generation: r.Generation, Partition: r.Partition, Key: key(r.Key),
		Position: r.Position, Since: timestamppb.New(r.Since), Reason: r.Reason, Row: r.Row,
	}
}
