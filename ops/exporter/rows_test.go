package exporter

import (
	"bytes"
	"path/filepath"
	"slices"
	"testing"
	"unsafe"

	"github.com/parquet-go/parquet-go"
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
	b := newBank(t)
	b.post(0)
	b.export()
	b.cfg.Format = Parquet
	for range 3 {
		b.post(0)
		b.post(1)
	}
	if m := b.export(); m.Number != 2 || len(m.Files) != 2 || filepath.Ext(m.Files[0].Name) != ".parquet" || m.Files[0].From == 0 {
		t.Errorf("got %+v", m)
	}
	b.whole()
	b.tidy()
}

// A record of which there is no row makes a file without rows, which can be read.
func TestFilesWithoutRows(t *testing.T) {
	var out bytes.Buffer
	if err := Parquet.rows(&out).close(); err != nil {
		t.Fatal(err)
	}
	if got, err := parquet.Read[entry](bytes.NewReader(out.Bytes()), int64(out.Len())); err != nil || len(got) != 0 {
		t.Errorf("got %v, %v", got, err)
	}
}

// The strings of a row are valid while it is written, and not longer.
func TestRowsAreCopied(t *testing.T) {
	var out bytes.Buffer
	rows := Parquet.rows(&out)
	text := []byte("aaaa")
	for _, c := range "abc" {
		for i := range text {
			text[i] = byte(c)
		}
		e := entry{Kind: unsafe.String(&text[0], len(text)), EventID: unsafe.String(&text[0], len(text)), Reverses: unsafe.String(&text[0], len(text)), Merchant: unsafe.String(&text[0], len(text))}
		if err := rows.write(&e); err != nil {
			t.Fatal(err)
		}
	}
	if err := rows.close(); err != nil {
		t.Fatal(err)
	}
	got, err := parquet.Read[entry](bytes.NewReader(out.Bytes()), int64(out.Len()))
	if err != nil || len(got) != 3 {
		t.Fatalf("got %v, %v", got, err)
	}
	for i, want := range []string{"aaaa", "bbbb", "cccc"} {
		if e := got[i]; e.Kind != want || e.EventID != want || e.Reverses != want || e.Merchant != want {
			t.Errorf("row %d: got %+v, want %q", i, e, want)
		}
	}
}

// The columns are the same in every format.
func TestFormatsHaveTheSameColumns(t *testing.T) {
	var names []string
	for _, f := range parquet.SchemaOf(entry{}).Fields() {
		names = append(names, f.Name())
	}
	if !slices.Equal(names, columns()) {
		t.Errorf("got %q, want %q", names, columns())
	}
}
