package node

import (
	"context"
	"errors"
	"fmt"

	"github.com/refold/refold/projections/projection"
	"github.com/refold/refold/projections/store/cassandra"
)

// openRows opens where the rows of read models are kept. Those of the ledger are always on this disk: the journal
// decides by them, and asks nobody.
func (n *Node) openRows(ctx context.Context) error {
	n.rows = n.stores
	if n.cfg.Rows == nil || !n.cfg.has(Projections) {
		return nil
	}
	cfg := *n.cfg.Rows
	cfg.Logger = n.cfg.Logger
	cfg.Position = func(value []byte) int64 {
		at, _ := projection.StoredOffset(value)
		return at
	}
	rows, err := cassandra.Open(ctx, cfg)
	if err != nil {
		return rowsProblem(err)
	}
	n.parts.add("connections to Cassandra", func() error { rows.Close(); return nil })
	n.rows, n.impatient = rows, rows.GiveUp
	return nil
}

// rowsProblem names the setting that an error of Cassandra comes of.
func rowsProblem(err error) error {
	switch {
	case errors.Is(err, cassandra.ErrLogin):
		return fmt.Errorf("rows.user: %w", err)
	case errors.Is(err, cassandra.ErrCertificate):
		return fmt.Errorf("rows.tls: %w", err)
	}
	return fmt.Errorf("rows.address: %w", err)
}
