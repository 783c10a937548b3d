package exporter

import (
	"encoding/csv"
	"errors"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress/zstd"

	"github.com/refold/refold/schemas/event"
)

// Format is what the files of an increment are.
type Format string

// Formats of files. In Parquet numbers and times are typed, and texts are as they were posted.
const (
	CSV     Format = "csv"
	Parquet Format = "parquet"
)

// Formats returns all formats.
func Formats() []Format { return []Format{CSV, Parquet} }

// entry is a row: one customer's leg of an entry. Times are in microseconds.
type entry struct {
	Partition         int32  `parquet:"partition"`
	Offset            int64  `parquet:"offset"`
	Leg               int32  `parquet:"leg"`
	EventID           string `parquet:"event_id"`
	RecordedAt        int64  `parquet:"recorded_at,timestamp(microsecond)"`
	OccurredAt        int64  `parquet:"occurred_at,timestamp(microsecond)"`
	Kind              string `parquet:"kind,dict"`
	CustomerID        string `parquet:"customer_id,dict"`
	AccountID         string `parquet:"account_id,dict"`
	AmountMinor       int64  `parquet:"amount_minor"`
	Currency          string `parquet:"currency,dict"`
	BalanceAfterMinor int64  `parquet:"balance_after_minor"`
	AccountSeq        int64  `parquet:"account_seq"`
	Merchant          string `parquet:"merchant,dict"`
	MCC               string `parquet:"mcc,dict"`
	SourceCategory    string `parquet:"source_category,dict"`
	Category          string `parquet:"category,dict"`
	RefundOf          string `parquet:"refund_of"`
	Reverses          string `parquet:"reverses"`
}

// rows takes the rows of a file.
type rows interface {
	// write takes a row, which is valid during the call.
	write(e *entry) error
	// close makes what was written whole.
	close() error
}

// rows returns what writes rows in the format.
func (f Format) rows(out io.Writer) rows {
	if f == Parquet {
		return &parquetRows{out: parquet.NewGenericWriter[entry](out, parquet.Compression(&zstd.Codec{}), parquet.MaxRowsPerRowGroup(rowGroup))}
	}
	r := &csvRows{out: csv.NewWriter(out)}
	r.problem = r.out.Write(columns())
	return r
}

// columns are those of every file of entries.
func columns() []string {
	return []string{
		"partition", "offset", "leg", "event_id", "recorded_at", "occurred_at", "kind", "customer_id", "account_id",
		"amount_minor", "currency", "balance_after_minor", "account_seq", "merchant", "mcc", "source_category", "category", "refund_of", "reverses",
	}
}

type csvRows struct {
	out     *csv.Writer
	problem error // of the header
}

func (r *csvRows) write(e *entry) error {
	return r.out.Write([]string{
		number(int64(e.Partition)), number(e.Offset), number(int64(e.Leg)), e.EventID, stamp(e.RecordedAt), stamp(e.OccurredAt), e.Kind, e.CustomerID, e.AccountID,
		number(e.AmountMinor), e.Currency, number(e.BalanceAfterMinor), number(e.AccountSeq),
		safe(e.Merchant), safe(e.MCC), safe(e.SourceCategory), e.Category, safe(e.RefundOf), safe(e.Reverses),
	})
}

func (r *csvRows) close() error {
	r.out.Flush()
	return errors.Join(r.problem, r.out.Error())
}

// rowGroup is how many rows a group of a Parquet file has at most: so many are in memory for each file that is written.
const rowGroup = 64 << 10

type parquetRows struct {
	out *parquet.GenericWriter[entry]
	one [1]entry
}

func (r *parquetRows) write(e *entry) error {
	r.one[0] = *e
	_, err := r.out.Write(r.one[:])
	return err
}

func (r *parquetRows) close() error { return r.out.Close() }

func number(n int64) string { return strconv.FormatInt(n, 10) }

func stamp(micros int64) string { return event.Micros(micros).Time().Format(time.RFC3339Nano) }

// safe returns a text that no spreadsheet takes for a formula: what begins like one has an apostrophe before it.
// Source: OWASP, CSV Injection.
func safe(text string) string {
	if text != "" && strings.ContainsRune("=+-@\t\r\n", rune(text[0])) {
		return "'" + text
	}
	return text
}
