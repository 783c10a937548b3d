//go:build synctests

package engine_test

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/refold/refold/projections/projection"
	"github.com/refold/refold/projections/store"
)

// shelf keeps the rows of all processes of a simulation: every row and every checkpoint is a write of its own. Where
// processes share it, it is as a database beside them would be: the time of a write is its position, so that of two
// writes the further one stays, whichever comes last, and one that was given up and tried again may arrive twice.
type shelf struct {
	shared bool
	log    io.Writer
	// again is after how long a write arrives once more; 0 where it does not. Arriving are those that will.
	again    func() time.Duration
	arriving sync.WaitGroup

	mu       sync.Mutex
	tasks    map[taskOf]*shelved      // guarded by mu
	opened   map[store.Generation]int // guarded by mu; by how many processes
	problems []string                 // guarded by mu
	lost     map[rowAt]int64          // guarded by mu; see forget
	parkings map[parking]bool         // guarded by mu; all that there have been
	back     map[parking]bool         // guarded by mu; those that a late write brought back
}

type taskOf struct {
	store.Generation
	partition int32
}

// shelved is one task.
type shelved struct {
	rows       map[string][]byte
	checkpoint store.Checkpoint
	// before are the checkpoints that there have been.
	before []store.Checkpoint
}

// rowAt is a row of all generations, parking where one of a generation stands still.
type (
	rowAt struct {
		partition int32
		key       string
	}
	parking struct {
		taskOf
		key      string
		position int64
	}
)

func newShelf(shared bool, log io.Writer, again func() time.Duration) *shelf {
	return &shelf{
		shared: shared, log: log, again: again, tasks: make(map[taskOf]*shelved), opened: make(map[store.Generation]int),
		lost: make(map[rowAt]int64), parkings: make(map[parking]bool), back: make(map[parking]bool),
	}
}

// task returns a task, an empty one where nothing is saved. The caller holds mu.
func (s *shelf) task(of taskOf) *shelved {
	t := s.tasks[of]
	if t == nil {
		t = &shelved{rows: make(map[string][]byte)}
		s.tasks[of] = t
	}
	return t
}

// read returns a task as it is.
func (s *shelf) read(of taskOf) (map[string][]byte, store.Checkpoint) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.task(of)
	return maps.Clone(t.rows), t.checkpoint
}

// set writes a row. The caller holds mu.
func (s *shelf) set(of taskOf, key, value []byte) {
	t := s.task(of)
	was, found := t.rows[string(key)]
	old, _ := projection.StoredOffset(was)
	at, _ := projection.StoredOffset(value)
	switch {
	case !found || at > old || !s.shared:
		t.rows[string(key)] = value
	case at == old && !bytes.Equal(was, value):
		s.problems = append(s.problems, fmt.Sprintf("row %q of %+v was written twice for position %d, and not the same: %x and %x", key, of, at, was, value))
	}
}

// mark writes a checkpoint. The caller holds mu.
func (s *shelf) mark(of taskOf, c store.Checkpoint) {
	t := s.task(of)
	for _, p := range c.Parked {
		s.parkings[parking{of, projection.DecodeKey(string(p.Key)).Partition, p.Position}] = true
	}
	if len(c.Parked)+len(t.checkpoint.Parked) > 0 {
		fmt.Fprintf(s.log, "%s checkpoint of %+v: %+v\n", time.Now().Format(time.RFC3339Nano), of, c)
	}
	t.before = append(t.before, t.checkpoint)
	if s.shared {
		c = merged(t.checkpoint, c)
	}
	t.checkpoint = c
}

// merged returns the further of two checkpoints of a task. What stands still is listed beside it, and only who has
// followed more of what was decided takes a row off that list.
func merged(was, c store.Checkpoint) store.Checkpoint {
	if cmp.Or(cmp.Compare(was.Next, c.Next), cmp.Compare(was.Acts, c.Acts)) > 0 {
		was, c = c, was
	}
	if c.Acts > was.Acts {
		return c
	}
	all := make(map[string]store.Parked)
	for _, p := range slices.Concat(was.Parked, c.Parked) {
		all[string(p.Key)] = p
	}
	c.Parked = nil
	for _, key := range slices.Sorted(maps.Keys(all)) {
		c.Parked = append(c.Parked, all[key])
	}
	return c
}

// write does what writes, and where processes share the rows perhaps once more, later, unless what was written is gone.
func (s *shelf) write(of taskOf, do func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	do()
	t, after := s.tasks[of], s.again()
	if !s.shared || after == 0 {
		return
	}
	s.arriving.Go(func() {
		wait(nil, after)
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.tasks[of] == t {
			before := t.checkpoint.Parked
			do()
			s.noteBack(of, before)
		}
	})
}

// rewind takes a task's checkpoint back to one that it had, or to none, so that what it has folded is read again.
// Nobody may have it open.
func (s *shelf) rewind(of taskOf, pick func(n int) int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.task(of)
	if len(t.before) > 0 {
		s.forget(of)
		t.checkpoint = t.before[pick(len(t.before))]
	}
}

// all returns the tasks that there are, in order.
func (s *shelf) all() []taskOf {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.SortedFunc(maps.Keys(s.tasks), func(a, b taskOf) int {
		return cmp.Or(cmp.Compare(a.Number, b.Number), cmp.Compare(a.partition, b.partition))
	})
}

// release says that a process has nothing open any more.
func (s *shelf) release(d *desk) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for g := range d.open {
		s.opened[g]--
	}
	clear(d.open)
}

// desk is what one process sees of the shelf, until it is gone. It implements store.Stores.
type desk struct {
	*shelf
	// gone is closed when the process writes nothing any more.
	gone chan struct{}
	end  func()
	// left is how many writes it has left before it ends in the middle of them.
	left  atomic.Int64
	delay func() time.Duration // of a write

	open map[store.Generation]bool // guarded by shelf.mu
}

func newDesk(s *shelf, delay func() time.Duration) *desk {
	d := &desk{shelf: s, gone: make(chan struct{}), delay: delay, open: make(map[store.Generation]bool)}
	d.end = sync.OnceFunc(func() { close(d.gone) })
	return d
}

var errGone = errors.New("the process is gone")

// turn waits for the turn of one write.
func (d *desk) turn() error {
	if d.left.Add(-1) == 0 {
		d.end()
	}
	if !wait(d.gone, d.delay()) {
		return errGone
	}
	return nil
}

// Open implements store.Stores.
func (d *desk) Open(g store.Generation) (store.Store, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.open[g] {
		d.open[g] = true
		d.opened[g]++
	}
	return &drawer{desk: d, generation: g}, nil
}

// Drop implements store.Stores. Rows that other processes have open are left to them.
func (d *desk) Drop(g store.Generation) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.opened[g] == 0 {
		maps.DeleteFunc(d.tasks, func(of taskOf, _ *shelved) bool { return of.Generation == g })
	}
	return nil
}

// drawer is one generation as one process sees it. It implements store.Store, but for that rows and checkpoint are
// written one after the other.
type drawer struct {
	*desk
	generation store.Generation
}

func (d *drawer) of(task int32) taskOf { return taskOf{d.generation, task} }

// row is a row that is to be written.
type row struct{ key, value []byte }

// rows implements store.Writer.
type rows []row

func (r *rows) Set(key, value []byte) error {
	*r = append(*r, row{bytes.Clone(key), bytes.Clone(value)})
	return nil
}

// SetWithout implements store.Writer. Nothing is discarded in a simulation.
func (r *rows) SetWithout(_ int, key, value []byte) error { return r.Set(key, value) }

// Save implements store.Store.
func (d *drawer) Save(task int32, c store.Checkpoint, fill func(store.Writer) error) error {
	var changed rows
	if err := fill(&changed); err != nil {
		return err
	}
	if err := d.saveRows(task, changed); err != nil {
		return err
	}
	return d.saveCheckpoint(task, c)
}

func (d *drawer) saveRows(task int32, changed rows) error {
	for _, r := range changed {
		if err := d.turn(); err != nil {
			return err
		}
		d.write(d.of(task), func() { d.set(d.of(task), r.key, r.value) })
	}
	return nil
}

func (d *drawer) saveCheckpoint(task int32, c store.Checkpoint) error {
	if err := d.turn(); err != nil {
		return err
	}
	d.write(d.of(task), func() { d.mark(d.of(task), c) })
	return nil
}

// Ingest implements store.Store.
func (d *drawer) Ingest(task int32, c store.Checkpoint, fill func(store.Writer) error) error {
	return d.Save(task, c, fill)
}

// Checkpoint implements store.Reader.
func (d *drawer) Checkpoint(task int32) (store.Checkpoint, error) {
	_, c := d.read(d.of(task))
	return c, nil
}

// Load implements store.Reader.
func (d *drawer) Load(task int32, key []byte) ([]byte, error) {
	found, _ := d.read(d.of(task))
	return bytes.Clone(found[string(key)]), nil
}

// Scan implements store.Reader.
func (d *drawer) Scan(task int32, from, to []byte, fn func(key, value []byte) bool) error {
	found, _ := d.read(d.of(task))
	scan(found, from, to, fn)
	return nil
}

func scan(found map[string][]byte, from, to []byte, fn func(key, value []byte) bool) {
	for _, k := range slices.Sorted(maps.Keys(found)) {
		if k >= string(from) && (to == nil || k < string(to)) && !fn([]byte(k), found[k]) {
			return
		}
	}
}

// Snapshot implements store.Store.
func (d *drawer) Snapshot() (store.Snapshot, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := make(copied)
	for of, t := range d.tasks {
		if of.Generation == d.generation {
			s[of.partition] = shelved{rows: maps.Clone(t.rows), checkpoint: t.checkpoint}
		}
	}
	return s, nil
}

// Close implements store.Store.
func (d *drawer) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.open[d.generation] {
		delete(d.open, d.generation)
		d.opened[d.generation]--
	}
	return nil
}

// copied is a drawer as it was, by task.
type copied map[int32]shelved

func (s copied) Checkpoint(task int32) (store.Checkpoint, error) { return s[task].checkpoint, nil }

func (s copied) Load(task int32, key []byte) ([]byte, error) {
	return bytes.Clone(s[task].rows[string(key)]), nil
}

func (s copied) Scan(task int32, from, to []byte, fn func(key, value []byte) bool) error {
	scan(s[task].rows, from, to, fn)
	return nil
}

func (s copied) Close() error { return nil }
