package projection_test

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"github.com/refold/refold/projections/projection"
	"github.com/refold/refold/schemas/codec"
	"github.com/refold/refold/schemas/event"
	"github.com/refold/refold/streams/timeline"
)

type row struct {
	Sum int64 `avro:"sum"`
}

type opened struct {
	AccountID string `avro:"account_id"`
	Limit     int64  `avro:"overdraft_limit_minor"`
}

const source = "topic"

var errFold = errors.New("it cannot be folded")

func define(t *testing.T) *projection.Definition {
	t.Helper()
	d, err := projection.Define("test", 1, projection.On(source, event.NameAccountOpened,
		func(e *opened, k *projection.Keys) {
			k.Add(e.AccountID, "")
			k.Add("all", e.AccountID)
			k.Add(e.AccountID, "") // twice is once
		},
		func(_ projection.Key, r *row, e *opened, _ projection.Meta) error {
			if e.Limit < 0 {
				return errFold
			}
			r.Sum += e.Limit
			return nil
		}))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// base is stored rows in a map.
type base map[string][]byte

func (b base) Load(key []byte) ([]byte, error) { return b[string(key)], nil }

type fixture struct {
	*testing.T
	codec  *codec.Codec
	base   base
	folder projection.Folder
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{T: t, codec: codec.New(new(codec.Local)), base: make(base)}
	f.folder = define(t).NewFolder(f.codec, f.base)
	return f
}

func (f *fixture) record(offset int64, account string, limit int64) *timeline.Record {
	f.Helper()
	e, err := f.codec.Encoder(f.Context(), source, event.NameAccountOpened)
	if err != nil {
		f.Fatal(err)
	}
	value, err := e.Append(nil, &event.AccountOpened{AccountID: account, Kind: event.AccountCurrent, OverdraftLimitMinor: limit})
	if err != nil {
		f.Fatal(err)
	}
	return &timeline.Record{Topic: source, Offset: offset, Value: value}
}

func (f *fixture) fold(offset int64, account string, limit int64) {
	f.Helper()
	if err := f.folder.Fold(f.record(offset, account, limit)); err != nil {
		f.Fatal(err)
	}
}

func (f *fixture) save() (keys []string) {
	f.Helper()
	err := f.folder.Changed(func(key, value []byte) error {
		keys = append(keys, string(key))
		f.base[string(key)] = bytes.Clone(value)
		return nil
	})
	if err != nil {
		f.Fatal(err)
	}
	return keys
}

// sum returns a row's sum and the offset it was folded to, or -1.
func (f *fixture) sum(key projection.Key) (sum, offset int64) {
	f.Helper()
	stored, err := f.folder.Stored(key.Encode())
	if err != nil {
		f.Fatal(err)
	}
	if stored == nil {
		return 0, -1
	}
	c, err := codec.RowOf[row]()
	if err != nil {
		f.Fatal(err)
	}
	var r row
	if offset, err = projection.Decode(c, stored, &r); err != nil {
		f.Fatal(err)
	}
	return r.Sum, offset
}

func TestAnEventTouchesEveryKeyOnce(t *testing.T) {
	f := newFixture(t)
	f.fold(0, "a", 5)
	f.fold(3, "a", 2)
	for _, k := range []projection.Key{{Partition: "a"}, {Partition: "all", Sort: "a"}} {
		if sum, offset := f.sum(k); sum != 7 || offset != 3 {
			t.Errorf("%v: got %d at %d, want 7 at 3", k, sum, offset)
		}
	}
}

func TestARecordAtOrBelowTheRowIsPassedOver(t *testing.T) {
	f := newFixture(t)
	f.fold(4, "a", 5)
	f.fold(4, "a", 5)
	f.fold(1, "a", 5)
	if sum, offset := f.sum(projection.Key{Partition: "a"}); sum != 5 || offset != 4 {
		t.Errorf("got %d at %d, want 5 at 4", sum, offset)
	}
	if f.folder.Dirty() != 2 {
		t.Errorf("got %d dirty rows, want 2", f.folder.Dirty())
	}
}

func TestChangedIsOrderedAndGivenOnce(t *testing.T) {
	f := newFixture(t)
	for i, account := range []string{"c", "a", "b"} {
		f.fold(int64(i), account, 1)
	}
	keys := f.save()
	if len(keys) != 6 || !slices.IsSorted(keys) {
		t.Errorf("got %q", keys)
	}
	if again := f.save(); len(again) != 0 {
		t.Errorf("got %q again", again)
	}
}

// reads counts what is looked for among the stored rows.
type reads struct {
	base
	n int
}

func (r *reads) Load(key []byte) ([]byte, error) {
	r.n++
	return r.base.Load(key)
}

func TestShrinkForgetsWhatIsNotUsed(t *testing.T) {
	f := newFixture(t)
	stored := &reads{base: f.base}
	f.folder = define(t).NewFolder(f.codec, stored)
	f.fold(0, "a", 5)
	f.folder.Shrink()
	if got := f.folder.Len(); got != 2 {
		t.Errorf("%d rows are held, want the 2 that are not saved", got)
	}
	f.save()
	f.fold(1, "b", 5)
	f.save()
	for n := range int64(3) {
		f.folder.Shrink()
		f.fold(2+n, "a", 2)
		f.save()
	}
	if sum, _ := f.sum(projection.Key{Partition: "a"}); sum != 11 || stored.n != 4 {
		t.Errorf("what is used: got %d and %d reads, want 11 and 4", sum, stored.n)
	}
	f.fold(5, "b", 2)
	if sum, _ := f.sum(projection.Key{Partition: "b"}); sum != 7 || stored.n != 6 {
		t.Errorf("what is not: got %d and %d reads, want 7 and 6", sum, stored.n)
	}
}

func TestForgetDropsWhatIsBelow(t *testing.T) {
	f := newFixture(t)
	f.fold(0, "a", 5)
	f.fold(1, "b", 5)
	f.folder.Forget(0)
	if got := f.folder.Len(); got != 2 {
		t.Errorf("%d rows are held, want the 2 that are above", got)
	}
	f.folder.Forget(0)
	if _, offset := f.sum(projection.Key{Partition: "a"}); offset != -1 {
		t.Errorf("row a is there at %d", offset)
	}
	if sum, _ := f.sum(projection.Key{Partition: "b"}); sum != 5 {
		t.Errorf("row b is %d, want 5", sum)
	}
}

func TestFreshRowsAreNotLookedFor(t *testing.T) {
	d, err := projection.Define("fresh", 1, projection.On(source, event.NameAccountOpened,
		func(e *opened, k *projection.Keys) { k.AddFresh(e.AccountID, "") },
		func(_ projection.Key, r *row, e *opened, _ projection.Meta) error { r.Sum += e.Limit; return nil }))
	if err != nil {
		t.Fatal(err)
	}
	f := newFixture(t)
	stored := &reads{base: f.base}
	f.folder = d.NewFolder(f.codec, stored)
	f.fold(0, "a", 5)
	f.fold(1, "a", 2)
	if sum, _ := f.sum(projection.Key{Partition: "a"}); sum != 7 || stored.n != 0 {
		t.Errorf("got %d and %d reads, want 7 and none", sum, stored.n)
	}
}

func TestFailures(t *testing.T) {
	f := newFixture(t)
	if err := f.folder.Fold(f.record(0, "a", -1)); !errors.Is(err, errFold) {
		t.Errorf("got %v, want %v", err, errFold)
	}
	if err := f.folder.Fold(&timeline.Record{Value: []byte("nonsense")}); !errors.Is(err, codec.ErrNotWireFormat) {
		t.Errorf("got %v, want %v", err, codec.ErrNotWireFormat)
	}
	f.base["b\x00"] = []byte{9, 9, 9}
	if err := f.folder.Fold(f.record(0, "b", 1)); !errors.Is(err, projection.ErrStored) {
		t.Errorf("got %v, want %v", err, projection.ErrStored)
	}
}

// Where there are several sources, a row is folded up to a position among the records of all of them, and offsets
// of one source say nothing of the others.
func TestSeveralSources(t *testing.T) {
	type frozen struct {
		AccountID string `avro:"account_id"`
	}
	d, err := projection.Define("two", 1,
		projection.On(source, event.NameAccountOpened, func(e *opened, k *projection.Keys) { k.Add(e.AccountID, "") },
			func(_ projection.Key, r *row, e *opened, _ projection.Meta) error { r.Sum += e.Limit; return nil }),
		projection.On("other", event.NameAccountFrozen, func(e *frozen, k *projection.Keys) { k.Add(e.AccountID, "") },
			func(_ projection.Key, r *row, _ *frozen, _ projection.Meta) error { r.Sum = -r.Sum; return nil }))
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{source, "other"}; d.Topic != source || !slices.Equal(d.Sources, want) {
		t.Errorf("got %s of %v, want the first of %v", d.Topic, d.Sources, want)
	}
	f := newFixture(t)
	f.folder = d.NewFolder(f.codec, f.base)
	e, err := f.codec.Encoder(t.Context(), "other", event.NameAccountFrozen)
	if err != nil {
		t.Fatal(err)
	}
	value, err := e.Append(nil, &event.AccountFrozen{AccountID: "a"})
	if err != nil {
		t.Fatal(err)
	}
	freeze := &timeline.Record{Topic: "other", Offset: 0, Value: value}
	for range 2 { // what was folded is left alone the second time
		for _, err := range []error{f.folder.FoldAt(f.record(7, "a", 5), 7), f.folder.FoldAt(freeze, 8), f.folder.FoldAt(f.record(8, "a", 3), 9)} {
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	if sum, position := f.sum(projection.Key{Partition: "a"}); sum != -2 || position != 9 {
		t.Errorf("got %d at %d, want -2 at 9", sum, position)
	}
}

func TestKeysKeepTheirOrder(t *testing.T) {
	keys := []projection.Key{{Partition: "a"}, {Partition: "a", Sort: "\x00"}, {Partition: "a", Sort: "z"}, {Partition: "a-"}, {Partition: "ab"}, {Partition: "b", Sort: "a"}}
	for i, k := range keys {
		if got := projection.DecodeKey(string(k.Encode())); got != k {
			t.Errorf("got %q, want %q", got, k)
		}
		if i > 0 && bytes.Compare(keys[i-1].Encode(), k.Encode()) >= 0 {
			t.Errorf("%q does not come before %q", keys[i-1], k)
		}
	}
}

func TestDefineRefuses(t *testing.T) {
	type floats struct {
		F float64 `avro:"f"`
	}
	on := projection.On("other", event.NameAccountOpened, func(*opened, *projection.Keys) {}, func(projection.Key, *row, *opened, projection.Meta) error { return nil })
	same := projection.On(source, event.NameAccountOpened, func(*opened, *projection.Keys) {}, func(projection.Key, *row, *opened, projection.Meta) error { return nil })
	if _, err := projection.Define[row]("none", 1); !errors.Is(err, projection.ErrDefinition) {
		t.Errorf("no handlers: got %v", err)
	}
	if _, err := projection.Define("two", 1, on, same); !errors.Is(err, projection.ErrDefinition) {
		t.Errorf("one event of two topics: got %v", err)
	}
	if _, err := projection.Define("floats", 1, projection.On(source, event.NameAccountOpened,
		func(*opened, *projection.Keys) {}, func(projection.Key, *floats, *opened, projection.Meta) error { return nil })); !errors.Is(err, projection.ErrDefinition) {
		t.Errorf("floats: got %v", err)
	}
}

func TestDefineRefusesWhatCannotBeRead(t *testing.T) {
	type typo struct {
		AccountID string `avro:"acount_id"`
	}
	type nested struct {
		Legs []struct {
			Amount int64 `avro:"amount"`
		} `avro:"legs"`
	}
	define := func(name string, version int64, h ...projection.Handler[row]) error {
		_, err := projection.Define(name, version, h...)
		return err
	}
	good := on[opened](event.NameAccountOpened)
	for name, err := range map[string]error{
		"a field that is not there":   define("p", 1, on[typo](event.NameAccountOpened)),
		"one in a nested record":      define("p", 1, on[nested](event.NameEntryPosted)),
		"an event that is not there":  define("p", 1, on[opened]("bank.AccountOpend")),
		"one event with two handlers": define("p", 1, good, good),
		"a name with a space":         define("a b", 1, good),
		"version 0":                   define("p", 0, good),
	} {
		if !errors.Is(err, projection.ErrDefinition) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if err := define("p", 1, good); err != nil {
		t.Error(err)
	}
}

func on[E any](name string) projection.Handler[row] {
	return projection.On(source, name, func(*E, *projection.Keys) {}, func(projection.Key, *row, *E, projection.Meta) error { return nil })
}
