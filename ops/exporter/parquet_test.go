package exporter

import (
	"bytes"
	"path/filepath"
	"testing"

	"github.com/parquet-go/parquet-go"

	"github.com/refold/refold/schemas/table"
)

func (b *bank) loadParquet(f File, content []byte) (rows []string) {
	b.t.Helper()
	entries, err := parquet.Read[entry](bytes.NewReader(content), int64(len(content)))
	if err != nil || int64(len(entries)) != f.Rows {
		b.t.Fatalf("%s: got %d rows, %v, want %d", f.Name, len(entries), err, f.Rows)
	}
	amounts := map[string]int64{"c1.a": -5, "c2.b": 5}
	for _, e := range entries {
		rows = append(rows, e.EventID+" "+e.AccountID)
		if e.Merchant != "=1+1" || e.SourceCategory != "fuel" || e.Category != "fuel" || e.AmountMinor != amounts[e.AccountID] || e.Partition != f.Partition {
			b.t.Errorf("got %+v", e)
		}
	}
	return rows
}

// An export may go on in another format: every row is there once, and a text is as it was posted.
func TestParquetGoesOnWhereCSVEnded(t *testing.T) {
	everywhere(t, func(b *bank) {
		b.post(0)
		b.export()
		b.cfg.Format = table.Parquet
		for range 3 {
			b.post(0)
			b.post(1)
		}
		if m := b.export(); m.Number != 2 || len(m.Files) != 2 || filepath.Ext(m.Files[0].Name) != ".parquet" || m.Files[0].From == 0 {
			b.t.Errorf("got %+v", m)
		}
		b.whole()
		b.tidy()
	})
}
