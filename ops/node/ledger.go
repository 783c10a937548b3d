package node

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"

	"github.com/refold/refold/projections/ledger"
	"github.com/refold/refold/projections/store"
)

// rowsFolder holds the rows of all generations, each in PROJECTION/NUMBER.
const rowsFolder = "rows"

// ledgerGeneration names the rows that this build keeps of the ledger. No act records them, so that their
// name alone tells whether they can be read: another version of the fold and another form of its rows have
// another one.
func ledgerGeneration() store.Generation {
	d := ledger.Definition()
	return store.Generation{Projection: d.Name + "-" + d.RowHash, Number: d.Version}
}

// openLedger opens the rows that the journal decides against, and drops those that other builds have left.
// New rows are made from the log, and those that cannot be opened again.
func (n *Node) openLedger() (store.Store, error) {
	if !n.cfg.has(Transactions) {
		return nil, nil
	}
	g := ledgerGeneration()
	if err := n.dropLedgers(g); err != nil {
		return nil, err
	}
	s, err := n.stores.Open(g)
	if err != nil {
		n.cfg.Logger.Error("the rows of the ledger cannot be opened and are folded again", "error", err)
		if err := n.stores.Drop(g); err != nil {
			return nil, err
		}
		if s, err = n.stores.Open(g); err != nil {
			return nil, err
		}
	}
	n.parts.add("ledger rows", s.Close)
	return s, nil
}

// dropLedgers drops every generation of the ledger but one.
func (n *Node) dropLedgers(but store.Generation) error {
	rows, name := n.folder.sub(rowsFolder), ledger.Definition().Name
	for _, pattern := range []string{name + "/*", name + "-*/*"} {
		found, err := fs.Glob(os.DirFS(rows), pattern)
		if err != nil {
			return fmt.Errorf("find rows of %s: %w", name, err)
		}
		for _, p := range found {
			number, err := strconv.ParseInt(path.Base(p), 10, 64)
			g := store.Generation{Projection: path.Dir(p), Number: number}
			if err != nil || g == but {
				continue
			}
			if err := n.stores.Drop(g); err != nil {
				return err
			}
			_ = os.Remove(filepath.Join(rows, g.Projection)) // stays where another generation is in it
			n.cfg.Logger.Info("rows of another build were dropped", "projection", g.Projection, "generation", g.Number)
		}
	}
	return nil
}
