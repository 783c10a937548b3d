package cassandra

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/refold/refold/projections/store"
)

var generation = store.Generation{Projection: "p", Number: 1}

// process opens the generation as a process of its own does.
func process(t *testing.T, cfg Config) (*Stores, store.Store) {
	t.Helper()
	s := open(t, cfg)
	r, err := s.Open(generation)
	if err != nil {
		t.Fatal(err)
	}
	return s, r
}

// at is what a row begins with that was folded to a position. It is the less the further that is: of two writes of one
// time Cassandra keeps the greater bytes, which must not be what decides.
func at(position int64) []byte {
	return binary.BigEndian.AppendUint64(nil, uint64(math.MaxInt64-position))
}

func positionOf(value []byte) int64 { return math.MaxInt64 - int64(binary.BigEndian.Uint64(value)) }

// value is what a row holds that was folded to a position.
func value(position int64, text string) []byte { return append(at(position), text...) }

// save saves one row, folded to a position, with the checkpoint after it.
func save(s store.Store, position int64, key, text string) error {
	return s.Save(0, store.Checkpoint{Next: position + 1}, func(w store.Writer) error {
		return w.Set([]byte(key), value(position, text))
	})
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// expect says where a row or the checkpoint is not as it should be.
func expect(t *testing.T, r store.Reader, next int64, key string, want []byte) {
	t.Helper()
	c, err := r.Checkpoint(0)
	must(t, err)
	if c.Next != next {
		t.Errorf("got a checkpoint at %d, want %d", c.Next, next)
	}
	got, err := r.Load(0, []byte(key))
	must(t, err)
	if !bytes.Equal(got, want) {
		t.Errorf("row %q: got %q, want %q", key, got, want)
	}
}

// A process that has lost its task and does not know it writes what it has folded, late: what is further stays. What it
// writes at the position of another write is the same, so that neither order matters.
func TestLateWriteLoses(t *testing.T) {
	cfg := config(t, positionOf)
	_, zombie := process(t, cfg)
	_, owner := process(t, cfg)
	must(t, save(zombie, 3, "k", "three"))
	must(t, save(owner, 7, "k", "seven"))
	must(t, save(zombie, 5, "k", "five"))
	expect(t, owner, 8, "k", value(7, "seven"))
	must(t, save(zombie, 7, "k", "seven"))
	expect(t, owner, 8, "k", value(7, "seven"))
	must(t, save(zombie, 9, "k", "nine"))
	expect(t, owner, 10, "k", value(9, "nine"))
}

// A row that is folded anew without an event stays, though it is not as far as it was, and though one that has not heard
// of it writes what is further.
func TestARowThatLosesEvents(t *testing.T) {
	cfg := config(t, positionOf)
	_, zombie := process(t, cfg)
	_, owner := process(t, cfg)
	must(t, save(zombie, 7, "k", "seven"))
	without := func(next, position int64, text string) {
		t.Helper()
		must(t, owner.Save(0, store.Checkpoint{Next: next}, func(w store.Writer) error {
			return w.SetWithout(1, []byte("k"), value(position, text))
		}))
	}
	without(9, 3, "three and not seven")
	expect(t, owner, 9, "k", value(3, "three and not seven"))
	must(t, save(zombie, 8, "k", "eight, and seven"))
	expect(t, owner, 9, "k", value(3, "three and not seven"))
	without(10, 9, "nine and not seven")
	expect(t, owner, 10, "k", value(9, "nine and not seven"))
	err := owner.Save(0, store.Checkpoint{Next: 11}, func(w store.Writer) error {
		return w.SetWithout(mostLeftOut+1, []byte("k"), value(10, "ten"))
	})
	if err == nil {
		t.Error("more events are left out than there is room for, and it is no failure")
	}
}

// faults are what happens to requests that hold the word. It dials for the driver.
type faults struct {
	word []byte
	// lose has the answers to so many requests lost, after they were carried out.
	lose atomic.Int64
	// refuse has requests break the connection before they are sent.
	refuse atomic.Bool
	// hold, where it is not nil, has requests wait until it is closed.
	mu   sync.Mutex
	hold chan struct{} // guarded by mu
	seen atomic.Int64  // requests with the word
}

func (f *faults) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := new(net.Dialer).DialContext(ctx, network, address)
	return &connection{Conn: c, faults: f}, err
}

type connection struct {
	net.Conn
	faults *faults
	losing atomic.Bool
}

func (c *connection) Write(b []byte) (int, error) {
	if !bytes.Contains(b, c.faults.word) {
		return c.Conn.Write(b)
	}
	c.faults.mu.Lock()
	hold := c.faults.hold
	c.faults.mu.Unlock()
	losing := c.faults.lose.Add(-1) >= 0
	c.faults.seen.Add(1)
	if hold != nil && !losing {
		<-hold
	}
	if c.faults.refuse.Load() {
		return 0, errors.Join(io.ErrClosedPipe, c.Close())
	}
	c.losing.Store(losing)
	return c.Conn.Write(b)
}

// Read reads an answer: one that came is proof that its request was carried out.
func (c *connection) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if c.losing.Load() {
		return 0, errors.Join(io.ErrUnexpectedEOF, c.Close())
	}
	return n, err
}

// A batch is applied, its answer is lost, and it is repeated when newer rows have come: they stay.
func TestRepeatedAfterNewerRows(t *testing.T) {
	cfg := config(t, positionOf)
	f := &faults{word: []byte("three"), hold: make(chan struct{})}
	f.lose.Store(1)
	slow := cfg
	slow.dialer = f
	_, one := process(t, slow)
	_, two := process(t, cfg)
	done := make(chan error, 1)
	go func() { done <- save(one, 3, "k", "three") }()
	wait(t, func() bool { return f.seen.Load() == 2 }) // it is being repeated
	expect(t, two, 0, "k", value(3, "three"))          // it was applied, and the checkpoint comes after it
	must(t, save(two, 7, "k", "seven"))
	close(f.hold)
	must(t, <-done)
	expect(t, two, 8, "k", value(7, "seven"))
}

// Where some rows cannot be written, the checkpoint is not, and saving again makes it whole. Until patience ends, saving
// waits.
func TestCheckpointIsNotAheadOfRows(t *testing.T) {
	cfg := config(t, positionOf)
	f := &faults{word: []byte("poison")}
	broken := cfg
	broken.dialer = f
	stores, s := process(t, broken)
	must(t, save(s, 1, "a", "one"))
	f.refuse.Store(true)
	both := func(w store.Writer) error {
		return errors.Join(w.Set([]byte("a"), value(2, "two")), w.Set([]byte("b"), value(2, "poison")))
	}
	done := make(chan error, 1)
	go func() { done <- s.Save(0, store.Checkpoint{Next: 3}, both) }()
	wait(t, func() bool { return f.seen.Load() >= 3 })
	select {
	case err := <-done:
		t.Fatalf("it does not wait: %v", err)
	default:
	}
	stores.GiveUp()
	if err := <-done; err == nil {
		t.Fatal("a save without its rows is no failure")
	}
	_, after := process(t, cfg)
	expect(t, after, 2, "b", nil)
	if got, err := after.Load(0, []byte("a")); err != nil || !bytes.Equal(got, value(1, "one")) && !bytes.Equal(got, value(2, "two")) {
		t.Errorf("got %q, %v", got, err)
	}
	must(t, after.Save(0, store.Checkpoint{Next: 3}, both))
	expect(t, after, 3, "b", value(2, "poison"))
}

// While Cassandra does not take rows, saving waits, and goes on when it does.
func TestSavingOutlastsAnOutage(t *testing.T) {
	cfg := config(t, positionOf)
	f := &faults{word: []byte("one")}
	f.refuse.Store(true)
	cfg.dialer = f
	_, s := process(t, cfg)
	done := make(chan error, 1)
	go func() { done <- save(s, 1, "k", "one") }()
	wait(t, func() bool { return f.seen.Load() >= 3 })
	f.refuse.Store(false)
	must(t, <-done)
	expect(t, s, 2, "k", value(1, "one"))
}

// What is written to a generation after it was dropped is not there.
func TestDroppedStaysDropped(t *testing.T) {
	cfg := config(t, positionOf)
	_, zombie := process(t, cfg)
	stores, _ := process(t, cfg)
	must(t, save(zombie, 3, "k", "three"))
	must(t, stores.Drop(generation))
	must(t, save(zombie, 4, "k", "four"))
	expect(t, zombie, 0, "k", nil)
}

func TestNewerTablesAreRefused(t *testing.T) {
	cfg := config(t, positionOf)
	s := open(t, cfg)
	must(t, s.session.Query(`INSERT INTO schema_version (id, version) VALUES (0, 99) USING TIMESTAMP 99`).Exec())
	if _, err := Open(context.Background(), cfg); !errors.Is(err, ErrNewer) {
		t.Errorf("got %v, want %v", err, ErrNewer)
	}
}

// wait waits until something is so.
func wait(t *testing.T, so func() bool) {
	t.Helper()
	deadline := time.After(time.Minute)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !so() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("it never comes")
		}
	}
}
