package table_test

import (
	"bytes"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"github.com/parquet-go/parquet-go"

	"github.com/refold/refold/schemas/table"
)

type row struct {
	At      int64  `parquet:"at,timestamp(microsecond)"`
	Text    string `parquet:"text,dict"`
	Number  int64  `parquet:"number"`
	Small   int32  `parquet:"small"`
	Entries *int64 `parquet:"entries,optional"`
}

func file(t *testing.T, f table.Format, rows ...row) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := table.New[row](&out, table.Config{Format: f})
	for _, r := range rows {
		err = errors.Join(err, w.Write(r))
	}
	if err := errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func read(t *testing.T, content []byte) []row {
	t.Helper()
	rows, err := parquet.Read[row](bytes.NewReader(content), int64(len(content)))
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

func TestBothFormatsSayTheSame(t *testing.T) {
	two := int64(2)
	rows := []row{
		{At: 1_388_664_000_000_001, Text: `=1+1, "x"`, Number: -5, Small: 7, Entries: &two},
		{Text: "plain"}, {Text: "-a"}, {Text: "+b"}, {Text: "@c"}, {Text: "\td"},
	}
	const want = "at,text,number,small,entries\n" +
		"2014-01-02T12:00:00.000001Z,\"'=1+1, \"\"x\"\"\",-5,7,2\n" +
		"1970-01-01T00:00:00Z,plain,0,0,\n1970-01-01T00:00:00Z,'-a,0,0,\n1970-01-01T00:00:00Z,'+b,0,0,\n1970-01-01T00:00:00Z,'@c,0,0,\n1970-01-01T00:00:00Z,'\td,0,0,\n"
	if got := string(file(t, table.CSV, rows...)); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	if got := read(t, file(t, table.Parquet, rows...)); !reflect.DeepEqual(got, rows) {
		t.Errorf("got %+v, want %+v", got, rows)
	}
}

// The columns are named by the tags that Parquet reads.
func TestColumnsAreThoseOfParquet(t *testing.T) {
	var names []string
	for _, f := range parquet.SchemaOf(row{}).Fields() {
		names = append(names, f.Name())
	}
	if got := table.Columns[row](); !slices.Equal(got, names) {
		t.Errorf("got %q, want %q", got, names)
	}
}

// A file without rows can be read.
func TestFilesWithoutRows(t *testing.T) {
	if got := read(t, file(t, table.Parquet)); len(got) != 0 {
		t.Errorf("got %v", got)
	}
	if got, want := string(file(t, table.CSV)), "at,text,number,small,entries\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// The texts of a row are valid while it is written, and not longer.
func TestTextsAreCopied(t *testing.T) {
	for _, f := range table.Formats() {
		var out bytes.Buffer
		w, err := table.New[row](&out, table.Config{Format: f})
		if err != nil {
			t.Fatal(err)
		}
		text := []byte("aaaa")
		for _, c := range "abc" {
			for i := range text {
				text[i] = byte(c)
			}
			if err := w.Write(row{Text: unsafe.String(&text[0], len(text))}); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		var got []string
		if f == table.CSV {
			for _, l := range strings.Split(strings.TrimSpace(out.String()), "\n")[1:] {
				got = append(got, strings.Split(l, ",")[1])
			}
		} else {
			for _, r := range read(t, out.Bytes()) {
				got = append(got, r.Text)
			}
		}
		if want := []string{"aaaa", "bbbb", "cccc"}; !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", f, got, want)
		}
	}
}

// A bound holds for both formats at the same row.
func TestFilesAreBounded(t *testing.T) {
	for _, f := range table.Formats() {
		w, err := table.New[row](new(bytes.Buffer), table.Config{Format: f, MaxBytes: 100})
		if err != nil {
			t.Fatal(err)
		}
		for range 3 { // of 27 bytes each
			if err := w.Write(row{Text: "x"}); err != nil {
				t.Errorf("%s: %v", f, err)
			}
		}
		if err := w.Write(row{Text: "x"}); !errors.Is(err, table.ErrTooLarge) {
			t.Errorf("%s: got %v, want %v", f, err, table.ErrTooLarge)
		}
	}
}
