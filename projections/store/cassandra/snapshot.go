package cassandra

import (
	"bytes"
	"slices"
	"sync"

	"github.com/refold/refold/projections/store"
)

// Snapshot implements store.Store.
//
// Cassandra has no snapshots. What this one shows is what is stored, but for what it knows better:
//
//   - what was being saved when it was taken, which it shows as saved, whether it is there yet or not;
//   - what was there before anything was saved later: Save reads that and leaves it with every open snapshot before it
//     writes, so saving costs a read more for each row while snapshots are open.
//
// A reader asks Cassandra first and the snapshot then. Where it finds nothing in the snapshot, nothing was written
// when it asked, so what Cassandra said holds. What another process writes is not seen coming: only one that has lost
// its task does that, and what it writes is ahead, and true.
func (r *rows) Snapshot() (store.Snapshot, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := &snapshot{rows: r, ahead: make(map[int32]*batch), checkpoints: make(map[int32]store.Checkpoint), kept: make(map[int32]*former)}
	s.reader = reader{stores: r.stores, generation: r.generation, do: r.stores.try}
	for n, t := range r.tasks {
		switch {
		case t.saving != nil:
			s.ahead[n], s.checkpoints[n] = t.saving, t.saving.checkpoint
		case t.saved != nil:
			s.checkpoints[n] = *t.saved
		}
	}
	r.open[s] = true
	return s, nil
}

// snapshot is a generation as it was. It implements store.Snapshot.
type snapshot struct {
	reader
	rows  *rows
	ahead map[int32]*batch // by task; what was being saved

	mu          sync.Mutex
	checkpoints map[int32]store.Checkpoint // guarded by mu; those that are known
	kept        map[int32]*former          // guarded by mu, with what is in it
}

// former are rows of a task as they were, by bucket and key; nil where there was none.
type former [buckets]map[string][]byte

// Close implements store.Snapshot.
func (s *snapshot) Close() error {
	s.rows.mu.Lock()
	defer s.rows.mu.Unlock()
	delete(s.rows.open, s)
	return nil
}

// Checkpoint implements store.Reader.
func (s *snapshot) Checkpoint(task int32) (store.Checkpoint, error) {
	s.mu.Lock()
	c, known := s.checkpoints[task]
	s.mu.Unlock()
	if known {
		return c, nil
	}
	stored, err := s.reader.Checkpoint(task)
	if err != nil {
		return stored, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if c, known := s.checkpoints[task]; known {
		return c, nil
	}
	s.checkpoints[task] = stored
	return stored, nil
}

// Load implements store.Reader.
func (s *snapshot) Load(task int32, key []byte) ([]byte, error) {
	value, err := s.reader.Load(task, key)
	if err != nil {
		return nil, err
	}
	if better, known := s.known(task, bucketOf(key), key); known {
		return bytes.Clone(better), nil
	}
	return value, nil
}

// known returns the value of a row where the snapshot knows it, nil where there was none.
func (s *snapshot) known(task int32, bucket int, key []byte) ([]byte, bool) {
	if b := s.ahead[task]; b != nil {
		if value, found := b.find(bucket, key); found {
			return value, true
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if f := s.kept[task]; f != nil {
		value, found := f[bucket][string(key)]
		return value, found
	}
	return nil, false
}

// keep leaves the value that a row had with the snapshot.
func (s *snapshot) keep(task int32, bucket int, key, value []byte) {
	if _, known := s.known(task, bucket, key); known {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.kept[task]
	if f == nil {
		f = &former{}
		s.kept[task] = f
	}
	if f[bucket] == nil {
		f[bucket] = make(map[string][]byte)
	}
	f[bucket][string(key)] = value
}

// keepCheckpoint leaves the checkpoint that a task had with the snapshot.
func (s *snapshot) keepCheckpoint(task int32, c store.Checkpoint) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, known := s.checkpoints[task]; !known {
		s.checkpoints[task] = c
	}
}

// Scan implements store.Reader.
func (s *snapshot) Scan(task int32, from, to []byte, fn func(key, value []byte) bool) error {
	return scan(task, span{from, to}, s.page, fn)
}

// page is that of what is stored, with what the snapshot knows better in the part of the keys that it covers. Where that
// leaves too few rows though there are more, it is read on: too few are taken for the last.
func (s *snapshot) page(task int32, bucket int, part span, most int) (page []row, err error) {
	for {
		stored, err := s.reader.page(task, bucket, part, most)
		if err != nil {
			return nil, err
		}
		covered, last := part, len(stored) < most
		if !last {
			covered.to = append(bytes.Clone(stored[len(stored)-1].key), 0)
		}
		page = append(page, s.correct(task, bucket, covered, stored)...)
		if last || len(page) >= most {
			return page, nil
		}
		part.from = covered.to
	}
}

// correct puts what the snapshot knows better into what is stored of a part of a bucket.
func (s *snapshot) correct(task int32, bucket int, part span, stored []row) []row {
	better := s.within(task, bucket, part)
	if len(better) == 0 {
		return stored
	}
	var out []row
	for _, r := range stored {
		if _, known := better[string(r.key)]; !known {
			out = append(out, r)
		}
	}
	for key, value := range better {
		if value != nil {
			out = append(out, row{[]byte(key), value})
		}
	}
	slices.SortFunc(out, func(a, b row) int { return bytes.Compare(a.key, b.key) })
	return out
}

// within returns what the snapshot knows of a part of a bucket.
func (s *snapshot) within(task int32, bucket int, part span) map[string][]byte {
	better := make(map[string][]byte)
	if b := s.ahead[task]; b != nil {
		for _, r := range b.buckets[bucket] {
			if part.within(r.key) {
				better[string(r.key)] = r.value
			}
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if f := s.kept[task]; f != nil {
		for key, value := range f[bucket] {
			if _, known := better[key]; !known && part.within([]byte(key)) {
				better[key] = value
			}
		}
	}
	return better
}

// formerRows is how many rows are read at once to be kept.
const formerRows = 200

// keep reads what a batch is about to change, and leaves it with the snapshots that must not see it.
func (r *rows) keep(n int32, b *batch, open []*snapshot) error {
	if len(open) == 0 {
		return nil
	}
	r.mu.Lock()
	saved := r.of(n).saved
	r.mu.Unlock()
	if saved == nil {
		c, err := r.reader.Checkpoint(n)
		if err != nil {
			return err
		}
		saved = &c
	}
	for _, s := range open {
		s.keepCheckpoint(n, *saved)
	}
	return sideBySide(buckets, func(bucket int) error {
		for some := range slices.Chunk(b.buckets[bucket], formerRows) {
			if err := r.keepSome(n, bucket, some, open); err != nil {
				return err
			}
		}
		return nil
	})
}

func (r *rows) keepSome(n int32, bucket int, some []timed, open []*snapshot) error {
	var keys [][]byte
	for _, row := range some {
		if slices.ContainsFunc(open, func(s *snapshot) bool { _, known := s.known(n, bucket, row.key); return !known }) {
			keys = append(keys, row.key)
		}
	}
	if len(keys) == 0 {
		return nil
	}
	found, err := r.several(n, bucket, keys)
	if err != nil {
		return err
	}
	was := make(map[string][]byte, len(found))
	for _, f := range found {
		was[string(f.key)] = f.value
	}
	for _, s := range open {
		for _, key := range keys {
			s.keep(n, bucket, key, was[string(key)])
		}
	}
	return nil
}
