// Package table writes rows as a file, as CSV or as Parquet, from one description of its columns: a struct whose
// parquet tags name them.
//
// In Parquet numbers and times are typed, and texts are as they are. In CSV the first line names the columns, numbers
// are decimal, times are RFC 3339 in UTC, what is not there is empty, and no text is one that a spreadsheet takes for a
// formula.
package table

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress/zstd"
)

// Format is what a file is.
type Format string

// Formats of files.
const (
	CSV     Format = "csv"
	Parquet Format = "parquet"
)

// Formats returns all formats.
func Formats() []Format { return []Format{CSV, Parquet} }

// MediaType returns what a file is over HTTP.
func (f Format) MediaType() string {
	if f == Parquet {
		return "application/vnd.apache.parquet"
	}
	return "text/csv; charset=utf-8"
}

// ErrTooLarge is returned by Write where the file has become larger than it may be.
var ErrTooLarge = errors.New("the file is too large")

// Config says what a file is.
type Config struct {
	Format Format
	// MaxBytes bounds the file, in bytes of CSV without quotes, whatever its format; 0 is no bound.
	MaxBytes int
}

// rowGroup is how many rows a group of a Parquet file has at most: so many are in memory.
const rowGroup = 64 << 10

// Writer writes rows of a type. It is used by one goroutine.
type Writer[R any] struct {
	cfg     Config
	cells   []cell
	csv     *csv.Writer
	parquet *parquet.GenericWriter[R]
	one     [1]R
	line    []string
	size    int
}

// New returns a writer of a file. It panics where a field of R is neither a text nor a number, nor a pointer to a
// number.
func New[R any](out io.Writer, cfg Config) (*Writer[R], error) {
	w := &Writer[R]{cfg: cfg, cells: cellsOf(reflect.TypeFor[R]())}
	if cfg.Format == Parquet {
		w.parquet = parquet.NewGenericWriter[R](out, parquet.Compression(&zstd.Codec{}), parquet.MaxRowsPerRowGroup(rowGroup))
		return w, nil
	}
	w.csv = csv.NewWriter(out)
	return w, w.csv.Write(Columns[R]())
}

// Columns returns the names of the columns, in their order.
func Columns[R any]() (names []string) {
	for _, c := range cellsOf(reflect.TypeFor[R]()) {
		names = append(names, c.name)
	}
	return names
}

// Write writes a row, whose texts need to be valid only during the call.
func (w *Writer[R]) Write(r R) error {
	if w.csv != nil || w.cfg.MaxBytes > 0 {
		w.spell(reflect.ValueOf(&r).Elem())
	}
	var err error
	if w.csv != nil {
		err = w.csv.Write(w.line)
	} else {
		w.one[0] = r
		_, err = w.parquet.Write(w.one[:])
	}
	if err == nil && w.cfg.MaxBytes > 0 && w.size > w.cfg.MaxBytes {
		err = ErrTooLarge
	}
	return err
}

// spell makes the line of a row.
func (w *Writer[R]) spell(row reflect.Value) {
	w.line = w.line[:0]
	for i, c := range w.cells {
		text := c.text(row.Field(i))
		w.line = append(w.line, text)
		w.size += len(text) + 1
	}
}

// Close writes what is left; the file is whole then. It does not close what it is written to.
func (w *Writer[R]) Close() error {
	if w.parquet != nil {
		return w.parquet.Close()
	}
	w.csv.Flush()
	return w.csv.Error()
}

// cell is a column, and how its values are written in CSV.
type cell struct {
	name string
	text func(reflect.Value) string
}

func cellsOf(row reflect.Type) (cells []cell) {
	for i := range row.NumField() {
		name, options, _ := strings.Cut(row.Field(i).Tag.Get("parquet"), ",")
		cells = append(cells, cell{name, spelling(row.Field(i).Type, options)})
	}
	return cells
}

func spelling(t reflect.Type, options string) func(reflect.Value) string {
	switch {
	case t.Kind() == reflect.String:
		return func(v reflect.Value) string { return safe(v.String()) }
	case t.Kind() == reflect.Pointer:
		text := spelling(t.Elem(), options)
		return func(v reflect.Value) string {
			if v.IsNil() {
				return ""
			}
			return text(v.Elem())
		}
	case t.Kind() == reflect.Int64 && strings.Contains(options, "timestamp(microsecond)"):
		return func(v reflect.Value) string { return time.UnixMicro(v.Int()).UTC().Format(time.RFC3339Nano) }
	case t.Kind() == reflect.Int64 || t.Kind() == reflect.Int32:
		return func(v reflect.Value) string { return strconv.FormatInt(v.Int(), 10) }
	}
	panic(fmt.Sprintf("a column of %s cannot be written", t))
}

// safe returns a text that no spreadsheet takes for a formula: what begins like one has an apostrophe before it.
// Source: OWASP, CSV Injection.
func safe(text string) string {
	if text != "" && strings.ContainsRune("=+-@\t\r\n", rune(text[0])) {
		return "'" + text
	}
	return text
}
