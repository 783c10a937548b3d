package importer

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestRunReadsTornGzip(t *testing.T) {
	t.Parallel()
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	if _, err := io.WriteString(z, rows(5000, 3)); err != nil || z.Close() != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "torn.csv.gz")
	if err := os.WriteFile(path, packed.Bytes()[:packed.Len()/2], 0o644); err != nil {
		t.Fatal(err)
	}
	b := newBank()
	c := config(t, b.serve(t), "birmingham", "")
	c.File, c.Source = path, nil
	s, err := Run(context.Background(), c)
	want := fmt.Sprintf("import %s: line %d: the compressed data ends in the middle: unexpected EOF", path, s.Rows+2)
	if err == nil || err.Error() != want || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("Run = %v, want %s", err, want)
	}
	if s.Rows < 1000 || s.Accepted != s.Rows || s.Rejected != 0 {
		t.Errorf("Run = %+v, want all rows before the end accepted", s)
	}
	checkOnce(t, b, int(s.Rows))
}

// A byte that changed in the compressed data is found at the latest by the checksum at its end.
func TestRunReadsCorruptGzip(t *testing.T) {
	t.Parallel()
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	if _, err := io.WriteString(z, rows(5000, 3)); err != nil || z.Close() != nil {
		t.Fatal(err)
	}
	packed.Bytes()[packed.Len()/2] ^= 0xff
	c := config(t, newBank().serve(t), "birmingham", packed.String())
	if s, err := Run(context.Background(), c); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("line %d", s.Rows+2)) {
		t.Errorf("Run = %+v, %v, want an error with the line", s, err)
	}
}

func TestRunRefusesFile(t *testing.T) {
	t.Parallel()
	client := newBank().serve(t)
	for name, c := range map[string]struct{ text, want string }{
		"empty":           {"", "import birmingham.csv: the file is empty"},
		"missing columns": {"txn_id,merchant,card_last4,category,trans_date\n", "missing columns: amount_minor, currency; columns that occur twice: none"},
		"double column":   {strings.Replace(birminghamHeader, "txn_id", "txn_id,currency", 1), "missing columns: none; columns that occur twice: currency"},
		"no header":       {`"txn_id` + "\n", "line 1 is not a header: a quote is not closed"},
		"long header":     {strings.Repeat("x", maxLine+1), "line 1: the line is too long"},
		"torn header":     {"\x1f\x8b\x08", "gzip header: unexpected EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := Run(context.Background(), config(t, client, "birmingham", c.text))
			if err == nil || !strings.Contains(err.Error(), c.want) || s.Rows != 0 {
				t.Errorf("Run = %+v, %v, want %s", s, err, c.want)
			}
		})
	}
	missing := config(t, client, "birmingham", "")
	missing.Source, missing.File = nil, filepath.Join(t.TempDir(), "none.csv")
	if _, err := Run(context.Background(), missing); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Run = %v, want %v", err, os.ErrNotExist)
	}
}

// Line ends of Windows, a byte order mark and a last line without an end are not the row's; a line that is
// too long and a text that is not UTF-8 are its own fault.
func TestRunReadsLines(t *testing.T) {
	t.Parallel()
	text := "\ufeff" + strings.ReplaceAll(birminghamHeader, "\n", "\r\n") +
		"K1,2014-04-01,5044,shop,1,GBP,Books\r\n" +
		"LONG,2014-04-01,5044," + strings.Repeat("x", maxLine) + ",1,GBP,Books\n" +
		"LATIN,2014-04-01,5044,caf\xe9,1,GBP,Books\n" +
		"WIDE,2014-04-01,5044," + strings.Repeat("é", maxMerchant+1) + ",1,GBP,Books\n" +
		"K2,2014-04-01,5044," + strings.Repeat("é", maxMerchant) + ",2,GBP,Books"
	b := newBank()
	c := config(t, b.serve(t), "birmingham", text)
	s, err := Run(context.Background(), c)
	if err != nil || s.Rows != 5 || s.Accepted != 2 || s.Rejected != 3 {
		t.Errorf("Run = %+v, %v, want 5 rows, 2 accepted and 3 rejected", s, err)
	}
	checkOnce(t, b, 2)
	rejects, _ := os.ReadFile(c.Rejects)
	for _, want := range []string{
		"3,MALFORMED_ROW,the line is longer than 65536 bytes",
		"4,MALFORMED_ROW,merchant is not UTF-8,\"LATIN,2014-04-01,5044,caf\xe9,1,GBP,Books\"",
		"5,BEYOND_LIMIT,merchant is longer than 200 characters",
	} {
		if !bytes.Contains(rejects, []byte("\n"+want)) {
			t.Errorf("rejects file has no line %q", want)
		}
	}
}

// BenchmarkRead reads and maps rows without sending them.
func BenchmarkRead(b *testing.B) {
	const n = 10_000
	for _, kind := range []struct{ format, header, row string }{
		{"birmingham", birminghamHeader, "BCC%06d,2014-04-01,5044,bp snax 24 cofton 859,9493,GBP,Vehicle Fuel\n"},
		{"sparkov", "trans_num,acct_num,ts_utc,category,amount_usd,merchant,is_fraud\n", "bf265a8d%08d,412758818850,2024-01-01T00:00:10Z,gas_transport,195.88,\"Raynor, Feest and Miller\",0\n"},
		{"berka", "account_id,seq,trans_id,date,direction,operation,purpose,amount_minor\n", "25,1,%d,1996-07-28,debit,cash_withdrawal,statement_fee,1460\n"},
	} {
		var text strings.Builder
		text.WriteString(kind.header)
		for i := range n {
			fmt.Fprintf(&text, kind.row, i)
		}
		b.Run(kind.format, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				c := config(b, nil, kind.format, text.String())
				s, err := openSource(&c)
				if err != nil {
					b.Fatal(err)
				}
				if block := s.block(n + 1); len(block.rows) != n || !errors.Is(block.err, io.EOF) || block.rows[0].refusal != nil {
					b.Fatalf("read %d rows, %v, first %+v", len(block.rows), block.err, block.rows[0])
				}
			}
			b.ReportMetric(float64(n*b.N)/b.Elapsed().Seconds(), "rows/s")
		})
	}
}
