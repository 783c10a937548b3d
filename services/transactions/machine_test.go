package transactions

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/refold/refold/projections/ledger"
	"github.com/refold/refold/projections/projection"
	"github.com/refold/refold/schemas/event"
	"github.com/refold/refold/streams/cluster"
	"github.com/refold/refold/streams/position"
	"github.com/refold/refold/streams/timeline"
	"github.com/refold/refold/streams/topic"
)

// lazy is a Ledger that saves nothing before it is waited for, and the Log of it, which is what a machine decided.
type lazy struct {
	folder  projection.Folder
	rows    map[string][]byte
	log     []*timeline.Record // not saved yet
	last    *timeline.Record   // the last one that is saved
	at      int64
	waiting int
}

func (l *lazy) Load(key []byte) ([]byte, error) { return l.rows[string(key)], nil }

func (l *lazy) Base(int32) projection.Base { return l }

// Ends says nothing: there is no broker.
func (l *lazy) Ends(context.Context) (cluster.Offsets, error) { return nil, nil }

func (l *lazy) ReadAt(_ context.Context, at position.Partition, offsets []int64) ([]*timeline.Record, error) {
	if l.last == nil || !slices.Equal(offsets, []int64{l.last.Offset}) {
		return nil, fmt.Errorf("%s: %w", at, timeline.ErrHole)
	}
	return []*timeline.Record{l.last}, nil
}

func (l *lazy) Position(int32) int64 { return l.at }

func (l *lazy) Wait(_ context.Context, _ int32, offset int64) error {
	l.waiting++
	for len(l.log) > 0 && l.log[0].Offset < offset {
		if err := l.folder.Fold(l.log[0]); err != nil {
			return err
		}
		l.last, l.log = l.log[0], l.log[1:]
	}
	l.at = offset
	return l.folder.Changed(func(key, value []byte) error {
		l.rows[string(key)] = slices.Clone(value)
		return nil
	})
}

// alone is a machine with a lazy ledger, and a log that only it writes to.
type alone struct {
	*machine
	t      testing.TB
	ledger *lazy
	offset int64
}

func newAlone(t testing.TB) *alone {
	t.Helper()
	b := newBank(t, 1)
	l := &lazy{rows: make(map[string][]byte)}
	l.folder = ledger.Definition().NewFolder(b.codec, l)
	machines, err := OpenMachines(t.Context(), b.codec, topic.Transactions, l, l)
	if err != nil {
		t.Fatal(err)
	}
	a := &alone{t: t, machine: machines.New(0).(*machine), ledger: l}
	if err := a.Reset(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	open, refusal := newOpenAccount(openRequest(), "tester")
	if refusal != nil {
		t.Fatal(refusal)
	}
	a.decide(open)
	return a
}

func (a *alone) decide(c *Command) Outcome {
	a.t.Helper()
	if err := a.KeepNear(a.t.Context(), a.offset); err != nil {
		a.t.Fatal(err)
	}
	d, err := a.Decide(a.t.Context(), c, a.offset, noon.Time())
	if err != nil {
		a.t.Fatal(err)
	}
	for _, r := range d.Before {
		a.take(r.Value)
	}
	if d.Value != nil {
		a.take(d.Value)
	}
	return d.Outcome
}

// take makes a record part of the log.
func (a *alone) take(value []byte) {
	a.ledger.log = append(a.ledger.log, &timeline.Record{Topic: topic.Transactions, Offset: a.offset, Value: value})
	a.offset++
}

// LG-22: the last record, which no record after it holds to its hash, is held to it by the rows.
func TestLG22ChangedLastRecordIsNotServed(t *testing.T) {
	a := newAlone(t)
	a.decide(made(t, deposit("c1.main", "k", 1)))
	if err := a.Reset(t.Context(), a.offset); err != nil {
		t.Fatalf("as it was: got %v", err)
	}
	last := a.ledger.last
	changed := *last
	changed.Value = slices.Clone(last.Value)
	changed.Value[len(changed.Value)-1]++
	a.ledger.last = &changed
	if err := a.Reset(t.Context(), a.offset); !errors.Is(err, errChanged) {
		t.Errorf("changed: got %v, want %v", err, errChanged)
	}
	a.ledger.last = nil
	if err := a.Reset(t.Context(), a.offset); err != nil {
		t.Errorf("deleted from the log, as what is archived may be: got %v", err)
	}
}

func TestOverlayStaysSmall(t *testing.T) {
	a := newAlone(t)
	const entries = 3 * aheadOfRows
	most := 0
	for n := range entries {
		a.decide(made(t, deposit("c1.main", fmt.Sprint("k", n), 1)))
		most = max(most, a.overlay.Len())
	}
	const each = 2 // rows of an entry's own: its outcome, and what became of it
	if limit := 2*each*aheadOfRows + fewRows; most > limit {
		t.Errorf("rows in the overlay: got %d, want at most %d", most, limit)
	}
	if a.ledger.waiting < 2 {
		t.Errorf("it waited %d times, want more often", a.ledger.waiting)
	}
	// What was forgotten is found in the saved rows, what was not in the overlay.
	for _, n := range []int{0, 1, aheadOfRows, entries - 1} {
		o := a.decide(made(t, deposit("c1.main", fmt.Sprint("k", n), 1)))
		e, ok := o.fact.(*event.EntryPosted)
		if !ok || !o.replayed || e.Legs[0].BalanceAfterMinor != int64(n)+1 || o.offset != int64(n)+1 {
			t.Errorf("entry %d: got %+v, want its replay", n, o.fact)
		}
	}
}

func TestResetDropsWhatWasDecided(t *testing.T) {
	a := newAlone(t)
	if err := a.Reset(t.Context(), a.offset); err != nil { // the opening is in the log
		t.Fatal(err)
	}
	lost := made(t, deposit("c1.main", "lost", 5))
	a.decide(lost)
	if _, found, err := a.Find(t.Context(), lost); err != nil || !found {
		t.Fatalf("got %v, %v, want the decision", found, err)
	}
	a.offset--
	a.ledger.log = nil // it was not committed
	if err := a.Reset(t.Context(), a.offset); err != nil {
		t.Fatal(err)
	}
	if _, found, err := a.Find(t.Context(), lost); err != nil || found {
		t.Errorf("got %v, %v, want nothing: it was dropped", found, err)
	}
	e := a.decide(lost).fact.(*event.EntryPosted)
	if e.PartitionSeq != 2 || e.Legs[0].AccountSeq != 1 || e.Legs[0].BalanceAfterMinor != 5 {
		t.Errorf("decided again: got %+v, want it as if for the first time", e)
	}
}

// ahead is a Ledger whose rows hold more than the log.
type ahead struct{ *lazy }

func (ahead) Wait(context.Context, int32, int64) error { return nil }

func TestKW13RowsAheadOfTheLogAreRefused(t *testing.T) {
	a := newAlone(t)
	a.ledger.at = 10
	m := machine{Machines: &Machines{ledger: ahead{a.ledger}}}
	if err := m.Reset(t.Context(), 5); !errors.Is(err, errAhead) {
		t.Errorf("got %v, want %v", err, errAhead)
	}
}

func BenchmarkDecideAndEncode(b *testing.B) {
	a := newAlone(b)
	commands := make([]*Command, 1<<16)
	for n := range commands {
		commands[n] = made(b, deposit("c1.main", fmt.Sprint("k", n), 1))
	}
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		c := *commands[n%len(commands)]
		c.key += fmt.Sprint(n / len(commands))
		n++
		a.decide(&c)
	}
}
