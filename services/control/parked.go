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
	out := &refoldv1.ListParkedResponse{}
	for _, row := range rows {
		out.Rows = append(out.Rows, parkedRow(row))
	}
	return out, nil
}

func parkedRow(r engine.ParkedRow) *refoldv1.ParkedRow {
	return &refoldv1.ParkedRow{
		Generation: r.Generation, Partition: r.Partition, Key: key(r.Key),
		Position: r.Position, Since: timestamppb.New(r.Since), Reason: r.Reason, Row: r.Row,
	}
}
