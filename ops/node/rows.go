package node

import (
	"context"
	"fmt"

	"github.com/refold/refold/projections/projection"
	"github.com/refold/refold/projections/store/cassandra"
)

// openRows opens where the rows of read models are kept. Those of the ledger are always on this disk: the journal
// decides by them, and asks nobody.
func (n *Node) openRows(ctx context.Context) error {
	n.rows = n.stores
	if n.cfg.Rows == "" || !n.cfg.has(Projections) {
		return nil
	}
	cfg, err := cassandra.Parse(n.cfg.Rows)
	if err != nil {
		return fmt.Errorf("rows: %w", err)
	}
	cfg.Logger = n.cfg.Logger
	cfg.Position = func(value []byte) int64 {
		at, _ := projection.StoredOffset(value)
		return at
	}
	rows, err := cassandra.Open(ctx, cfg)
	if err != nil {
		return fmt.Errorf("rows: %w", err)
	}
	n.parts.add("connections to Cassandra", func() error { rows.Close(); return nil })
	n.rows, n.impatient = rows, rows.GiveUp
	return nil
}
