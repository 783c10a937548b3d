package node_test

import (
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/refold/refold/ops/node"
	"github.com/refold/refold/projections/ledger"
	"github.com/refold/refold/projections/store"
	"github.com/refold/refold/projections/store/pebble"
)

// otherRows writes rows of the ledger as another build would have left them. A checkpoint that is read from
// them says that facts are missing in the log.
func otherRows(t *testing.T, rows string, generations ...store.Generation) {
	t.Helper()
	stores := pebble.New(rows, 1<<20, slog.New(slog.DiscardHandler))
	defer stores.Close()
	for _, g := range generations {
		s, err := stores.Open(g)
		if err != nil {
			t.Fatal(err)
		}
		err = s.Save(0, store.Checkpoint{Next: 1000}, func(w store.Writer) error { return w.Set([]byte("k"), []byte("other")) })
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// Rows of another form or version of the ledger are not read but dropped, and what is not the ledger's stays.
func TestRowsOfAnotherLedger(t *testing.T) {
	cfg := local(t.TempDir())
	cfg.Roles = []node.Role{node.Registry, node.Transactions}
	cfg.Partitions = 1
	rows := filepath.Join(cfg.Data, "rows")
	d := ledger.Definition()
	current := store.Generation{Projection: d.Name + "-" + d.RowHash, Number: d.Version}
	otherRows(t, rows,
		store.Generation{Projection: d.Name, Number: d.Version},
		store.Generation{Projection: d.Name + "-0123456789abcdef", Number: d.Version},
		store.Generation{Projection: current.Projection, Number: d.Version + 1},
		store.Generation{Projection: "ledgers", Number: 1},
	)
	if err := reopen(t, cfg); err != nil {
		t.Fatal(err)
	}
	got, err := filepath.Glob(filepath.Join(rows, "*", "*"))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{filepath.Join(rows, current.Projection, strconv.FormatInt(d.Version, 10)), filepath.Join(rows, "ledgers", "1")}
	if len(got) != 2 || got[0] != want[0] || got[1] != want[1] {
		t.Errorf("got rows in %v, want %v", got, want)
	}
	if _, err := os.Stat(filepath.Join(rows, d.Name)); !os.IsNotExist(err) {
		t.Errorf("an empty folder is left: %v", err)
	}
}

// Rows that cannot be opened are made again from the log.
func TestKW15DamagedLedgerRows(t *testing.T) {
	cfg := local(t.TempDir())
	cfg.Roles = []node.Role{node.Registry, node.Transactions}
	cfg.Partitions = 1
	if err := reopen(t, cfg); err != nil {
		t.Fatal(err)
	}
	markers, err := filepath.Glob(filepath.Join(cfg.Data, "rows", "ledger-*", "*", "marker.format-version*"))
	if err != nil || len(markers) != 1 {
		t.Fatalf("got markers %v, %v", markers, err)
	}
	if err := os.Remove(markers[0]); err != nil {
		t.Fatal(err)
	}
	if err := reopen(t, cfg); err != nil {
		t.Error(err)
	}
}
