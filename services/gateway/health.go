package gateway

import (
	"context"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
)

// health is the standard health service. A service is as ready as the process. Watching is not
// implemented, which clients take as the protocol says: as healthy.
type health struct {
	grpc_health_v1.UnimplementedHealthServer
	server *Server
}

// Check implements grpc_health_v1.HealthServer.
func (h *health) Check(ctx context.Context, r *grpc_health_v1.HealthCheckRequest) (*grpc_health_v1.HealthCheckResponse, error) {
	if _, known := h.server.grpc.GetServiceInfo()[r.GetService()]; !known && r.GetService() != "" {
		return nil, status.Errorf(codes.NotFound, "this server has no service %s", r.GetService())
	}
	out := &grpc_health_v1.HealthCheckResponse{Status: grpc_health_v1.HealthCheckResponse_SERVING}
	if h.server.cfg.Ready(ctx) != nil {
		out.Status = grpc_health_v1.HealthCheckResponse_NOT_SERVING
	}
	return out, nil
}
