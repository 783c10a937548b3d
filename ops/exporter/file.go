package exporter

import (
	"context"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/refold/refold/schemas/category"
	"github.com/refold/refold/schemas/codec"
	"github.com/refold/refold/schemas/event"
	"github.com/refold/refold/streams/timeline"
)

// columns are those of every file of entries.
func columns() []string {
	return []string{
		"partition", "offset", "leg", "event_id", "recorded_at", "occurred_at", "kind", "customer_id", "account_id",
		"amount_minor", "currency", "balance_after_minor", "account_seq", "merchant", "mcc", "source_category", "category", "refund_of", "reverses",
	}
}

// file is a file of entries as it grows. It has another name until it is whole.
type file struct {
	File
	folder string
	out    *os.File
	sum    hash.Hash
	csv    *csv.Writer
	view   codec.View[posted]
}

// growing is what the name of a file ends with that is not whole.
const growing = ".tmp"

func (c Config) create(partition int32, s timeline.Span) (*file, error) {
	f := &file{folder: c.Folder, sum: sha256.New()}
	f.File = File{
		Name:      filepath.ToSlash(filepath.Join(entriesFolder, fmt.Sprintf("p%02d-%d-%d.csv", partition, s.Start, s.End))),
		Partition: partition, From: s.Start, Next: s.End,
	}
	var err error
	if f.out, err = os.CreateTemp(filepath.Dir(f.path()), "*"+growing); err != nil {
		return nil, err
	}
	f.csv = csv.NewWriter(io.MultiWriter(f.out, f.sum))
	return f, f.csv.Write(columns())
}

func (f *file) path() string { return filepath.Join(f.folder, filepath.FromSlash(f.Name)) }

// record adds the rows of a record; one that is no entry has none.
func (f *file) record(ctx context.Context, c *codec.Codec, rec *timeline.Record) error {
	s, err := c.Lookup(ctx, rec.Value)
	if err != nil || s.Name != event.NameEntryPosted {
		return err
	}
	e, err := f.view.Read(s, rec.Value)
	if err != nil {
		return err
	}
	kind, _ := category.Of(e.MCC, e.Category)
	for i := range e.Legs {
		l := &e.Legs[i]
		customer, ok := event.Home(l.AccountID)
		if !ok {
			continue
		}
		f.Rows++
		err := f.csv.Write([]string{
			number(int64(rec.Partition)), number(rec.Offset), number(int64(i)), e.EventID, stamp(e.RecordedAt), stamp(e.OccurredAt), e.Kind, customer, l.AccountID,
			number(l.AmountMinor), l.Currency, number(l.BalanceAfterMinor), number(l.AccountSeq),
			safe(e.Merchant), safe(e.MCC), safe(e.Category), kind.String(), safe(e.RefundOf), safe(e.Reverses),
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// finish makes the file whole and durable.
func (f *file) finish() (File, error) {
	f.csv.Flush()
	err := errors.Join(f.csv.Error(), f.out.Chmod(0o644), f.out.Sync())
	if err == nil {
		err = os.Rename(f.out.Name(), f.path())
	}
	if err != nil {
		return File{}, err
	}
	out := f.out
	f.out = nil
	f.SHA256 = hex.EncodeToString(f.sum.Sum(nil))
	return f.File, out.Close()
}

// abandon removes a file that has not become whole.
func (f *file) abandon() error {
	if f.out == nil {
		return nil
	}
	return errors.Join(f.out.Close(), os.Remove(f.out.Name()))
}

func number(n int64) string { return fmt.Sprint(n) }

func stamp(m event.Micros) string { return m.Time().Format(time.RFC3339Nano) }

// safe returns a text that no spreadsheet takes for a formula: what begins like one has an apostrophe before it.
// Source: OWASP, CSV Injection.
func safe(text string) string {
	if text != "" && strings.ContainsRune("=+-@\t\r\n", rune(text[0])) {
		return "'" + text
	}
	return text
}
