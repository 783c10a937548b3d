package control

import (
	"context"
	"crypto/ed25519"
	"fmt"

	"github.com/refold/refold/projections/certificate"
	"github.com/refold/refold/schemas/api/refoldv1"
)

// GetCertificate implements refoldv1.ControlServiceServer.
func (s *Server) GetCertificate(ctx context.Context, r *refoldv1.GetCertificateRequest) (*refoldv1.Certificate, error) {
	c, err := s.cfg.Engine.Certificate(ctx, r.GetId())
	if err != nil {
		return nil, err
	}
	key, err := s.cfg.Key()
	if err != nil {
		return nil, fmt.Errorf("sign the certificate of %s: %w", r.GetId(), err)
	}
	doc, err := certificate.Sign(c, key)
	if err != nil {
		return nil, err
	}
	return &refoldv1.Certificate{Document: string(doc), PublicKey: certificate.Text(key.Public().(ed25519.PublicKey))}, nil
}
