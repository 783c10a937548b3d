// Package suite is the battery that every store of rows passes.
package suite

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/refold/refold/projections/store"
)

// Run runs the battery. Open returns the stores below one place, again and again the same, as after a
// restart; whatever was opened is closed before it is called again.
func Run(t *testing.T, open func(t *testing.T) store.Stores) {
	t.Helper()
	for name, test := range map[string]func(*testing.T, func(*testing.T) store.Stores){
		"an empty store has nothing":          empty,
		"rows and checkpoint are kept":        kept,
		"a failed save changes nothing":       failed,
		"tasks are apart":                     tasks,
		"generations are apart and droppable": generations,
		"a scan is ordered and bounded":       scans,
		"a snapshot stands still":             snapshots,
		"a value may be reused by its giver":  reuse,
		"a row may lose events":               less,
		"many rows are taken at once":         ingests,
		"a failed ingestion changes nothing":  failedIngestion,
	} {
		t.Run(name, func(t *testing.T) { test(t, open) })
	}
}

var one = store.Generation{Projection: "one", Number: 1}

func openOne(t *testing.T, s store.Stores, g store.Generation) store.Store {
	t.Helper()
	st, err := s.Open(g)
	if err != nil {
		t.Fatal(err)
	}
	return st
}

func closeOne(t *testing.T, s interface{ Close() error }) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// save writes rows given as "key=value".
func save(t *testing.T, s store.Store, task int32, next int64, rows ...string) {
	t.Helper()
	c := store.Checkpoint{Next: next, EventTime: time.UnixMicro(next * 1000).UTC(), Log: [16]byte{15: byte(next)}}
	if next%2 == 1 {
		c.Effects = []store.End{{Topic: "effects", Partition: 3, Offset: next}, {Topic: "effects", Partition: 4, Offset: next}}
	}
	err := s.Save(task, c, func(w store.Writer) error {
		for _, r := range rows {
			k, v, _ := strings.Cut(r, "=")
			if err := w.Set([]byte(k), []byte(v)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// content prints a task: its checkpoint and its rows from one key to another.
func content(t *testing.T, r store.Reader, task int32, from, to []byte) string {
	t.Helper()
	c, err := r.Checkpoint(task)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%d", c.Next)
	if !c.EventTime.IsZero() {
		fmt.Fprintf(&b, " at %d", c.EventTime.UnixMilli())
	}

	err = r.Scan(task, from, to, func(k, v []byte) bool {
		fmt.Fprintf(&b, " %s=%s", k, v)
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func expect(t *testing.T, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func empty(t *testing.T, open func(*testing.T) store.Stores) {
	s := openOne(t, open(t), one)
	defer closeOne(t, s)
	expect(t, content(t, s, 0, nil, nil), "0")
	if v, err := s.Load(0, []byte("a")); v != nil || err != nil {
		t.Errorf("got %q, %v, want nothing", v, err)
	}
}

func kept(t *testing.T, open func(*testing.T) store.Stores) {
	s := openOne(t, open(t), one)
	save(t, s, 3, 7, "a=1", "b=2", "empty=")
	save(t, s, 3, 9, "a=3")
	closeOne(t, s)
	s = openOne(t, open(t), one)
	defer closeOne(t, s)
	expect(t, content(t, s, 3, nil, nil), "9 at 9 a=3 b=2 empty=")
	if c, err := s.Checkpoint(3); err != nil || c.Log[15] != 9 {
		t.Errorf("got log %x, %v", c.Log, err)
	} else if len(c.Effects) != 2 || c.Effects[1] != (store.End{Topic: "effects", Partition: 4, Offset: 9}) {
		t.Errorf("got the ends %v", c.Effects)
	}
	if v, err := s.Load(3, []byte("empty")); v == nil || len(v) != 0 || err != nil {
		t.Errorf("an empty value: got %v, %v", v, err)
	}
}

func failed(t *testing.T, open func(*testing.T) store.Stores) {
	s := openOne(t, open(t), one)
	defer closeOne(t, s)
	save(t, s, 0, 1, "a=1")
	broken := errors.New("broken")
	err := s.Save(0, store.Checkpoint{Next: 2}, func(w store.Writer) error {
		return errors.Join(w.Set([]byte("a"), []byte("2")), broken)
	})
	if !errors.Is(err, broken) {
		t.Errorf("got %v, want %v", err, broken)
	}
	expect(t, content(t, s, 0, nil, nil), "1 at 1 a=1")
}

func tasks(t *testing.T, open func(*testing.T) store.Stores) {
	s := openOne(t, open(t), one)
	defer closeOne(t, s)
	for _, task := range []int32{0, 1, 255, 256} {
		save(t, s, task, int64(task)+1, fmt.Sprintf("key=%d", task))
	}
	for _, task := range []int32{0, 1, 255, 256} {
		expect(t, content(t, s, task, nil, nil), fmt.Sprintf("%d at %d key=%d", task+1, task+1, task))
	}
}

func generations(t *testing.T, open func(*testing.T) store.Stores) {
	stores := open(t)
	two := store.Generation{Projection: "one", Number: 2}
	a, b := openOne(t, stores, one), openOne(t, stores, two)
	save(t, a, 0, 1, "a=1")
	save(t, b, 0, 2, "a=2")
	expect(t, content(t, a, 0, nil, nil), "1 at 1 a=1")
	closeOne(t, b)
	for range 2 {
		if err := stores.Drop(two); err != nil {
			t.Fatal(err)
		}
	}
	b = openOne(t, stores, two)
	defer closeOne(t, b)
	expect(t, content(t, b, 0, nil, nil), "0")
	expect(t, content(t, a, 0, nil, nil), "1 at 1 a=1")
	closeOne(t, a)
}

func scans(t *testing.T, open func(*testing.T) store.Stores) {
	s := openOne(t, open(t), one)
	defer closeOne(t, s)
	save(t, s, 0, 1, "b=2", "a=1", "c\x00=4", "c=3", "\xff=5")
	expect(t, content(t, s, 0, nil, nil), "1 at 1 a=1 b=2 c=3 c\x00=4 \xff=5")
	expect(t, content(t, s, 0, []byte("b"), []byte("c\x00")), "1 at 1 b=2 c=3")
	n := 0
	if err := s.Scan(0, nil, nil, func(_, _ []byte) bool { n++; return n < 2 }); err != nil || n != 2 {
		t.Errorf("a scan that is ended: got %d rows, %v, want 2", n, err)
	}
}

func snapshots(t *testing.T, open func(*testing.T) store.Stores) {
	s := openOne(t, open(t), one)
	defer closeOne(t, s)
	save(t, s, 0, 1, "a=1")
	before, err := s.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	save(t, s, 0, 2, "a=2", "b=2")
	expect(t, content(t, before, 0, nil, nil), "1 at 1 a=1")
	closeOne(t, before)
	expect(t, content(t, s, 0, nil, nil), "2 at 2 a=2 b=2")
}

func reuse(t *testing.T, open func(*testing.T) store.Stores) {
	s := openOne(t, open(t), one)
	defer closeOne(t, s)
	buf := []byte("x1")
	err := s.Save(0, store.Checkpoint{Next: 1}, func(w store.Writer) error {
		if err := w.Set(buf[:1], buf[1:]); err != nil {
			return err
		}
		buf[0], buf[1] = 'y', '2'
		return w.Set(buf[:1], buf[1:])
	})
	if err != nil {
		t.Fatal(err)
	}
	buf[1] = '9'
	expect(t, content(t, s, 0, nil, nil), "1 x=1 y=2")
	v, err := s.Load(0, []byte("x"))
	if err != nil {
		t.Fatal(err)
	}
	v[0] = '9'
	expect(t, content(t, s, 0, nil, nil), "1 x=1 y=2")
}

func less(t *testing.T, open func(*testing.T) store.Stores) {
	s := openOne(t, open(t), one)
	defer closeOne(t, s)
	save(t, s, 0, 1, "a=with")
	without := func(w store.Writer) error { return w.SetWithout(1, []byte("a"), []byte("without")) }
	if err := s.Save(0, store.Checkpoint{Next: 2}, without); err != nil {
		t.Fatal(err)
	}
	expect(t, content(t, s, 0, nil, nil), "2 a=without")
	if err := s.Ingest(1, store.Checkpoint{Next: 3}, without); err != nil {
		t.Fatal(err)
	}
	expect(t, content(t, s, 1, nil, nil), "3 a=without")
}

// many gives rows of two kinds in order: those that were there before, and those that were not.
func many(w store.Writer) error {
	key := make([]byte, 0, 8)
	for i := range 20_000 {
		key = fmt.Appendf(key[:0], "k%05d", i)
		if err := w.Set(key, key); err != nil {
			return err
		}
	}
	return nil
}

func ingests(t *testing.T, open func(*testing.T) store.Stores) {
	s := openOne(t, open(t), one)
	save(t, s, 2, 1, "a=1", "k00001=old", "z=2")
	save(t, s, 3, 4, "a=3")
	before, err := s.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Ingest(2, store.Checkpoint{Next: 5}, many); err != nil {
		t.Fatal(err)
	}
	expect(t, content(t, before, 2, nil, nil), "1 at 1 a=1 k00001=old z=2")
	closeOne(t, before)
	save(t, s, 2, 6, "k00002=new")
	closeOne(t, s)
	s = openOne(t, open(t), one)
	defer closeOne(t, s)
	expect(t, content(t, s, 2, nil, []byte("k00003")), "6 at 6 a=1 k00000=k00000 k00001=k00001 k00002=new")
	expect(t, content(t, s, 2, []byte("k19999"), nil), "6 at 6 k19999=k19999 z=2")
	expect(t, content(t, s, 3, nil, nil), "4 at 4 a=3")
}

func failedIngestion(t *testing.T, open func(*testing.T) store.Stores) {
	s := openOne(t, open(t), one)
	defer closeOne(t, s)
	save(t, s, 0, 1, "a=1")
	broken := errors.New("broken")
	err := s.Ingest(0, store.Checkpoint{Next: 2}, func(w store.Writer) error { return errors.Join(many(w), broken) })
	if !errors.Is(err, broken) {
		t.Errorf("got %v, want %v", err, broken)
	}
	expect(t, content(t, s, 0, nil, nil), "1 at 1 a=1")
	if err := s.Ingest(0, store.Checkpoint{Next: 3}, func(w store.Writer) error { return w.Set([]byte("b"), []byte("2")) }); err != nil {
		t.Fatal(err)
	}
	expect(t, content(t, s, 0, nil, nil), "3 a=1 b=2")
}
