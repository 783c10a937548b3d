package reports

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"strings"

	"google.golang.org/genproto/googleapis/api/httpbody"
)

// maxFile bounds a file that is answered in one piece, in bytes, so that it fits into a message.
const maxFile = 3 << 20

// table is a CSV file as it grows.
type table struct {
	out bytes.Buffer
	csv *csv.Writer
}

func newTable(columns ...string) *table {
	t := &table{}
	t.csv = csv.NewWriter(&t.out)
	_ = t.csv.Write(columns) // into memory
	return t
}

// add adds a line and returns false where the file is too large.
func (t *table) add(fields ...string) bool {
	_ = t.csv.Write(fields) // into memory
	t.csv.Flush()
	return t.out.Len() <= maxFile
}

func (t *table) answer() *httpbody.HttpBody {
	t.csv.Flush()
	return &httpbody.HttpBody{ContentType: "text/csv; charset=utf-8", Data: t.out.Bytes()}
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
func number(n int64) string { return fmt.Sprint(n) }
