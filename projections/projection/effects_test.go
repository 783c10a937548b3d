package projection_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/refold/refold/projections/projection"
	"github.com/refold/refold/schemas/event"
)

const told = "told"

// teller tells a customer of every account that opens, twice where it has an overdraft, and sums up overdrafts.
func teller(t *testing.T, to string) *projection.Definition {
	t.Helper()
	d, err := projection.Define("teller", 1, projection.Emit(source, event.NameAccountOpened,
		func(e *opened, k *projection.Keys) { k.Add(e.AccountID, ""); k.Add("all", "") },
		func(k projection.Key, r *row, e *opened, _ projection.Meta, out *projection.Effects) error {
			r.Sum += e.Limit
			if k.Partition == "all" {
				return nil
			}
			out.Add(told, &event.NotificationRequested{Effect: event.Effect{CustomerID: e.AccountID}})
			if e.Limit > 0 {
				out.Add(told, &event.NotificationRequested{Effect: event.Effect{CustomerID: e.AccountID}, AmountMinor: e.Limit})
			}
			return nil
		}).To(to, event.NameNotificationRequested))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// collect has the effects of a folder noted.
func (f *fixture) collect(d *projection.Definition) *[]event.NotificationRequested {
	f.Helper()
	f.folder = d.NewFolder(f.codec, f.base)
	var all []event.NotificationRequested
	f.folder.Emit(func(e projection.Effect) error {
		n, ok := e.Event.(*event.NotificationRequested)
		if !ok || e.Topic != told {
			f.Errorf("got %T to %s", e.Event, e.Topic)
			return nil
		}
		all = append(all, *n)
		return nil
	})
	return &all
}

func TestEffectsAreCompleteAndAlwaysTheSame(t *testing.T) {
	f := newFixture(t)
	first := f.collect(teller(t, told))
	f.fold(3, "a", 10)
	f.fold(4, "a", 0)
	f.fold(4, "a", 0) // seen already
	if len(*first) != 3 {
		t.Fatalf("got %d effects, want 3", len(*first))
	}
	ids := map[string]bool{}
	for i, want := range []int64{3, 3, 4} {
		e := (*first)[i]
		ids[e.EffectID] = true
		if e.Projection != "teller" || e.SourceTopic != source || e.SourceOffset != want || e.CustomerID != "a" {
			t.Errorf("effect %d: got %+v", i, e.Effect)
		}
	}
	if len(ids) != 3 {
		t.Errorf("got %d ids, want 3", len(ids))
	}
	again := f.collect(teller(t, told))
	f.fold(3, "a", 10)
	f.fold(4, "a", 0)
	if !slices.Equal(*again, *first) {
		t.Errorf("got %+v, want %+v", *again, *first)
	}
}

func TestHistoryIsNoNews(t *testing.T) {
	f := newFixture(t)
	effects := f.collect(teller(t, told))
	e, err := f.codec.Encoder(t.Context(), source, event.NameAccountOpened)
	if err != nil {
		t.Fatal(err)
	}
	rec := f.record(0, "a", 10)
	rec.Value, err = e.Append(nil, &event.AccountOpened{
		Envelope: event.Envelope{Historical: true}, AccountID: "a", Kind: event.AccountCurrent, OverdraftLimitMinor: 10,
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := f.folder.Fold(rec); err != nil {
		t.Fatal(err)
	}
	if sum, _ := f.sum(projection.Key{Partition: "a"}); len(*effects) != 0 || sum != 10 {
		t.Errorf("got %d effects and a sum of %d, want none and 10", len(*effects), sum)
	}
}

func TestUndeclaredEffectsAreRefused(t *testing.T) {
	f := newFixture(t)
	f.collect(teller(t, "elsewhere"))
	if err := f.folder.Fold(f.record(0, "a", 10)); !errors.Is(err, projection.ErrUndeclared) {
		t.Errorf("got %v, want %v", err, projection.ErrUndeclared)
	}
}

func TestEffectsAreDefined(t *testing.T) {
	keys := func(*opened, *projection.Keys) {}
	fold := func(projection.Key, *row, *opened, projection.Meta, *projection.Effects) error { return nil }
	for _, h := range []projection.Handler[row]{
		projection.Emit(source, event.NameAccountOpened, keys, fold).To(told, "bank.Unheard"),
		projection.Emit(source, event.NameAccountOpened, keys, fold).To(source, event.NameNotificationRequested),
	} {
		if _, err := projection.Define("teller", 1, h); !errors.Is(err, projection.ErrDefinition) {
			t.Errorf("got %v, want %v", err, projection.ErrDefinition)
		}
	}
	if got := teller(t, told).Emits; !slices.Equal(got, []projection.EffectKind{{Topic: told, Event: event.NameNotificationRequested}}) {
		t.Errorf("got %v", got)
	}
}
