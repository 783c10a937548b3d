package reports

import (
	"bytes"
	"encoding/csv"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress/zstd"
	"google.golang.org/genproto/googleapis/api/httpbody"

	"github.com/refold/refold/schemas/event"
)

// maxFile bounds a file that is answered in one piece, in bytes of CSV whatever its format, so that it fits into a
// message.
const maxFile = 3 << 20

// format is what a file is.
type format string

const (
	asCSV     format = "text/csv; charset=utf-8"
	asParquet format = "application/vnd.apache.parquet"
)

// line is a line of a file: a struct whose parquet tags name the columns.
type line interface {
	// fields returns the line as CSV, in the order of the columns.
	fields() []string
}

// table is a file as it grows. In Parquet numbers and times are typed, and texts are as they were recorded.
type table[L line] struct {
	format  format
	out     bytes.Buffer
	csv     *csv.Writer
	parquet *parquet.GenericWriter[L]
	size    int // as CSV, but for quotes
	problem error
}

func newTable[L line](f format) *table[L] {
	t := &table[L]{format: f}
	if f == asParquet {
		t.parquet = parquet.NewGenericWriter[L](&t.out, parquet.Compression(&zstd.Codec{}))
		return t
	}
	var columns []string
	for _, c := range parquet.SchemaOf(*new(L)).Fields() {
		columns = append(columns, c.Name())
	}
	t.csv = csv.NewWriter(&t.out)
	_ = t.csv.Write(columns) // into memory
	return t
}

// add adds a line and returns false where the file is too large, or broken.
func (t *table[L]) add(l L) bool {
	fields := l.fields()
	for _, f := range fields {
		t.size += len(f) + 1
	}
	if t.parquet != nil {
		if _, err := t.parquet.Write([]L{l}); err != nil {
			t.problem = err
		}
	} else {
		_ = t.csv.Write(fields) // into memory
	}
	return t.problem == nil && t.size <= maxFile
}

// answer returns the file.
func (t *table[L]) answer() (*httpbody.HttpBody, error) {
	if t.parquet != nil {
		t.problem = errors.Join(t.problem, t.parquet.Close())
	} else {
		t.csv.Flush()
	}
	return &httpbody.HttpBody{ContentType: string(t.format), Data: t.out.Bytes()}, t.problem
}

// safe returns a text that no spreadsheet takes for a formula: what begins like one has an apostrophe before it.
// Source: OWASP, CSV Injection.
func safe(text string) string {
	if text != "" && strings.ContainsRune("=+-@\t\r\n", rune(text[0])) {
		return "'" + text
	}
	return text
}

// number returns a number as a spreadsheet takes it.
func number(n int64) string { return strconv.FormatInt(n, 10) }

// stamp returns a time in microseconds as text.
func stamp(micros int64) string { return event.Micros(micros).Time().Format(time.RFC3339Nano) }
