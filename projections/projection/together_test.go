package projection_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/refold/refold/projections/projection"
	"github.com/refold/refold/schemas/codec"
	"github.com/refold/refold/schemas/event"
	"github.com/refold/refold/streams/timeline"
)

// kinds counts accounts by their kind, and reads closings, too.
func kinds(t *testing.T) *projection.Definition {
	t.Helper()
	type kind struct {
		Kind      string `avro:"kind"`
		AccountID string `avro:"account_id"`
	}
	type closed struct {
		AccountID string `avro:"account_id"`
	}
	d, err := projection.Define("kinds", 1,
		projection.On(source, event.NameAccountOpened,
			func(e *kind, k *projection.Keys) { k.Add(e.Kind, e.AccountID) },
			func(_ projection.Key, r *row, e *kind, _ projection.Meta) error {
				r.Sum++
				e.AccountID = "" // what it does with its event is not seen by others
				return nil
			}),
		projection.On(source, event.NameAccountClosed,
			func(e *closed, k *projection.Keys) { k.Add("closed", e.AccountID) },
			func(_ projection.Key, r *row, _ *closed, _ projection.Meta) error { r.Sum++; return nil }))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func rowsOf(t *testing.T, f projection.Folder) map[string]string {
	t.Helper()
	rows := make(map[string]string)
	err := f.Changed(func(key, value []byte) error {
		rows[string(key)] = fmt.Sprintf("%x", value)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// Folders fold together what they fold alone: records of several schemas, some of which one of them does not read.
func TestFoldTogether(t *testing.T) {
	f := newFixture(t)
	closing, err := f.codec.Encoder(t.Context(), source, event.NameAccountClosed)
	if err != nil {
		t.Fatal(err)
	}
	var records []*timeline.Record
	for n := range int64(40) {
		rec := f.record(n, fmt.Sprint("a", n%3), n)
		if n%4 == 3 {
			if rec.Value, err = closing.Append(nil, &event.AccountClosed{AccountID: fmt.Sprint("a", n%5)}); err != nil {
				t.Fatal(err)
			}
		}
		records = append(records, rec)
	}
	definitions := []*projection.Definition{define(t), kinds(t), define(t)}
	var together, alone []projection.Folder
	for _, d := range definitions {
		together, alone = append(together, d.NewFolder(f.codec, make(base))), append(alone, d.NewFolder(f.codec, make(base)))
	}
	all := projection.Join(together, func(folder int, err error) { t.Errorf("folder %d: %v", folder, err) })
	for _, rec := range records {
		all.Fold(rec)
		for _, one := range alone {
			if err := one.Fold(rec); err != nil {
				t.Fatal(err)
			}
		}
	}
	for i := range definitions {
		if got, want := rowsOf(t, together[i]), rowsOf(t, alone[i]); len(got) == 0 || !maps.Equal(got, want) {
			t.Errorf("folder %d: got %v, want %v", i, got, want)
		}
	}
}

// Who fails to fold a record fails alone, and who does not read a record does not fail for what it is.
func TestFailTogether(t *testing.T) {
	f := newFixture(t)
	var failed []int
	all := projection.Join([]projection.Folder{kinds(t).NewFolder(f.codec, f.base), f.folder, nothingRead(t, f.codec)},
		func(folder int, err error) { failed = append(failed, folder) })
	broken := f.record(1, "a", 5)
	broken.Value = broken.Value[:len(broken.Value)-1]
	for _, fold := range []struct {
		rec  *timeline.Record
		want []int
	}{
		{f.record(0, "a", 5), nil},
		{f.record(1, "a", -1), []int{1}},
		{broken, []int{0, 1}},
		{&timeline.Record{Offset: 2, Value: []byte("no record of ours")}, []int{0, 1, 2}},
	} {
		failed = nil
		if all.Fold(fold.rec); !slices.Equal(failed, fold.want) {
			t.Errorf("offset %d: folders %v failed, want %v", fold.rec.Offset, failed, fold.want)
		}
	}
}

// nothingRead is a folder of none of the records.
func nothingRead(t *testing.T, c *codec.Codec) projection.Folder {
	t.Helper()
	d, err := projection.Define("nothing", 1, projection.On(source, event.NameHoldPlaced,
		func(*struct{}, *projection.Keys) {},
		func(projection.Key, *row, *struct{}, projection.Meta) error { return errors.New("it is folded") }))
	if err != nil {
		t.Fatal(err)
	}
	return d.NewFolder(c, make(base))
}
