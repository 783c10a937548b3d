package control

import (
	"context"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/refold/refold/projections/engine"
	"github.com/refold/refold/schemas/api/refoldv1"
)

// CreateSnapshot implements refoldv1.ControlServiceServer.
func (s *Server) CreateSnapshot(ctx context.Context, r *refoldv1.CreateSnapshotRequest) (*refoldv1.Snapshot, error) {
	made, err := s.cfg.Engine.CreateSnapshot(ctx, r.GetProjection(), s.cfg.Principal(ctx), r.GetReason())
	if err != nil {
		return nil, err
	}
	return snapshot(made), nil
}

// ListSnapshots implements refoldv1.ControlServiceServer.
func (s *Server) ListSnapshots(_ context.Context, r *refoldv1.ListSnapshotsRequest) (*refoldv1.ListSnapshotsResponse, error) {
	all, err := s.cfg.Engine.Snapshots(r.GetProjection())
	if err != nil {
		return nil, err
	}
	out := &refoldv1.ListSnapshotsResponse{}
	for _, x := range all {
		out.Snapshots = append(out.Snapshots, snapshot(x))
	}
	return out, nil
}

func snapshot(s engine.Snapshot) *refoldv1.Snapshot {
	return &refoldv1.Snapshot{
		Name: s.Snapshot, Projection: s.Projection, Generation: s.Generation, Version: s.Version, FoldHash: s.Hash, Rows: s.Rows, Digest: s.Digest,
		Position: token(s.Generation, s.Positions), Here: s.Here, Principal: s.Principal, CreatedAt: timestamppb.New(s.RecordedAt.Time()), Reason: s.Reason,
	}
}
