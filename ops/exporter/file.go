package exporter

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"

	"github.com/refold/refold/schemas/category"
	"github.com/refold/refold/schemas/codec"
	"github.com/refold/refold/schemas/event"
	"github.com/refold/refold/schemas/table"
	"github.com/refold/refold/streams/timeline"
)

// file is a file of entries as it grows. It has another name until it is whole.
type file struct {
	File
	out  *os.File
	sum  hash.Hash
	rows *table.Writer[entry]
	view codec.View[posted]
}

// growing is what the name of a file ends with that is not whole.
const growing = ".tmp"

func (c Config) create(partition int32, s timeline.Span) (*file, error) {
	f := &file{sum: sha256.New()}
	f.File = File{
		Name:      fmt.Sprintf("%s/p%02d-%d-%d.%s", entriesFolder, partition, s.Start, s.End, c.format()),
		Partition: partition, From: s.Start, Next: s.End,
	}
	var err error
	if f.out, err = os.CreateTemp(c.To.Temporary(), "*"+growing); err != nil {
		return nil, err
	}
	if f.rows, err = table.New[entry](io.MultiWriter(f.out, f.sum), table.Config{Format: c.format()}); err != nil {
		return nil, errors.Join(err, f.abandon())
	}
	return f, nil
}

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
		err := f.rows.Write(entry{
			Partition: rec.Partition, Offset: rec.Offset, Leg: int32(i), EventID: e.EventID, RecordedAt: int64(e.RecordedAt), OccurredAt: int64(e.OccurredAt),
			Kind: e.Kind, CustomerID: customer, AccountID: l.AccountID, AmountMinor: l.AmountMinor, Currency: l.Currency,
			BalanceAfterMinor: l.BalanceAfterMinor, AccountSeq: l.AccountSeq, Merchant: e.Merchant, MCC: e.MCC, SourceCategory: e.Category,
			Category: kind.String(), RefundOf: e.RefundOf, Reverses: e.Reverses,
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// finish makes the file whole and stores it.
func (f *file) finish(ctx context.Context, to Store) (File, error) {
	if err := errors.Join(f.rows.Close(), f.out.Chmod(0o644), f.out.Sync()); err != nil {
		return File{}, err
	}
	if err := to.Put(ctx, f.out.Name(), f.Name); err != nil {
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
	err := os.Remove(f.out.Name())
	if errors.Is(err, fs.ErrNotExist) {
		err = nil // it was stored, and that was not known
	}
	return errors.Join(f.out.Close(), err)
}
