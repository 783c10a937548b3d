package cassandra

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/gocql/gocql"

	"github.com/refold/refold/projections/store"
)

// rows is the store of one generation. It implements store.Store.
type rows struct {
	reader

	mu    sync.Mutex
	tasks map[int32]*task    // guarded by mu, with what is in it
	open  map[*snapshot]bool // guarded by mu; the snapshots that must stand still
}

// task is what is known of a task that was saved by this process.
type task struct {
	named  bool              // it stands among the tasks that Drop finds
	saved  *store.Checkpoint // nil where it is not known
	saving *batch            // nil where nothing is being saved
}

// of returns a task. The caller holds mu.
func (r *rows) of(n int32) *task {
	if r.tasks[n] == nil {
		r.tasks[n] = &task{}
	}
	return r.tasks[n]
}

// Close implements store.Store. Everything that was saved is durable already.
func (r *rows) Close() error { return nil }

// Checkpoint implements store.Reader.
func (r *rows) Checkpoint(task int32) (store.Checkpoint, error) {
	c, err := r.reader.Checkpoint(task)
	if err == nil {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.of(task).saved = &c
	}
	return c, err
}

// Ingest implements store.Store.
func (r *rows) Ingest(task int32, c store.Checkpoint, fill func(store.Writer) error) error {
	return r.Save(task, c, fill)
}

// Save implements store.Store. It returns when everything is written, or GiveUp was called; where it fails, some rows
// may be written, and the checkpoint is not.
func (r *rows) Save(n int32, c store.Checkpoint, fill func(store.Writer) error) error {
	if c.Next > lastCheckpoint {
		return fmt.Errorf("save task %d: its checkpoint is at position %d, beyond %d", n, c.Next, int64(lastCheckpoint))
	}
	b := &batch{checkpoint: c, position: r.stores.cfg.Position, at: make(map[string]int)}
	if err := fill(b); err != nil {
		return fmt.Errorf("save task %d: %w", n, err)
	}
	if err := r.save(n, b); err != nil {
		return fmt.Errorf("save task %d up to %d: %w", n, c.Next, err)
	}
	return nil
}

func (r *rows) save(n int32, b *batch) error {
	if err := r.name(n); err != nil {
		return err
	}
	before := r.begin(n, b)
	saved := false
	defer func() { r.end(n, b, saved) }()
	if err := r.keep(n, b, before); err != nil {
		return err
	}
	if err := r.write(n, b); err != nil {
		return err
	}
	text, err := json.Marshal(b.checkpoint)
	if err != nil {
		return err
	}
	err = r.stores.insist(func(ctx context.Context) error {
		return r.stores.session.Query(`UPDATE checkpoints USING TIMESTAMP ? SET checkpoint = ? WHERE projection = ? AND generation = ? AND task = ?`,
			timeOf(b.checkpoint), text, r.generation.Projection, r.generation.Number, n).WithContext(ctx).Exec()
	})
	saved = err == nil
	return err
}

// name has Drop find a task, before it has anything.
func (r *rows) name(n int32) error {
	r.mu.Lock()
	named := r.of(n).named
	r.mu.Unlock()
	if named {
		return nil
	}
	err := r.stores.insist(func(ctx context.Context) error {
		return r.stores.session.Query(`INSERT INTO checkpoints (projection, generation, task) VALUES (?, ?, ?) USING TIMESTAMP 1`,
			r.generation.Projection, r.generation.Number, n).WithContext(ctx).Exec()
	})
	if err == nil {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.of(n).named = true
	}
	return err
}

// begin says that a batch is being saved: a snapshot that is taken from now on shows it as if it were. It returns those
// taken before, which must not.
func (r *rows) begin(n int32, b *batch) (before []*snapshot) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.of(n).saving = b
	for s := range r.open {
		before = append(before, s)
	}
	return before
}

func (r *rows) end(n int32, b *batch, saved bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	t := r.of(n)
	t.saving = nil
	if saved {
		t.saved = &b.checkpoint
	}
}

// Bounds of one request. Cassandra applies a batch of one partition at once and as one.
const (
	batchRows  = 100
	batchBytes = 64 << 10
)

// write writes the rows of a batch, many requests side by side.
func (r *rows) write(n int32, b *batch) error {
	var under sync.WaitGroup
	var mu sync.Mutex
	var problem error
	for bucket, part := range b.buckets {
		for rest := part; len(rest) > 0; {
			some := first(rest)
			rest = rest[len(some):]
			r.stores.window.enter()
			mu.Lock()
			stop := problem != nil
			mu.Unlock()
			if stop {
				r.stores.window.leave()
				break
			}
			under.Go(func() {
				defer r.stores.window.leave()
				if err := r.writeSome(n, bucket, some); err != nil {
					mu.Lock()
					defer mu.Unlock()
					problem = err
				}
			})
		}
	}
	under.Wait()
	return problem
}

// first returns as many rows as go into one request.
func first(all []timed) []timed {
	size := 0
	for i, r := range all {
		size += len(r.key) + len(r.value)
		if i == batchRows || i > 0 && size > batchBytes {
			return all[:i]
		}
	}
	return all
}

const update = `UPDATE rows USING TIMESTAMP ? SET value = ? WHERE projection = ? AND generation = ? AND task = ? AND bucket = ? AND key = ?`

func (r *rows) writeSome(n int32, bucket int, some []timed) error {
	return r.stores.insist(func(ctx context.Context) error {
		q := r.stores.session.NewBatch(gocql.UnloggedBatch).WithContext(ctx)
		for _, row := range some {
			q.Query(update, row.time, row.value, r.generation.Projection, r.generation.Number, n, bucket, row.key)
		}
		began := time.Now()
		err := r.stores.session.ExecuteBatch(q)
		now := time.Now()
		r.stores.window.tried(now.Sub(began), err, now)
		return err
	})
}

// timed is a row and the time of its write.
type timed struct {
	row
	time int64
}

// batch is what is saved at once. It implements store.Writer.
type batch struct {
	checkpoint store.Checkpoint
	position   func(value []byte) int64
	buckets    [buckets][]timed
	at         map[string]int // where a row is in its bucket
}

// Set implements store.Writer.
func (b *batch) Set(key, value []byte) error { return b.SetWithout(0, key, value) }

// SetWithout implements store.Writer.
func (b *batch) SetWithout(events int, key, value []byte) error {
	position := b.position(value)
	if position < 0 || position > lastPosition || events > mostLeftOut {
		return fmt.Errorf("row %q is at position %d without %d of its events", key, position, events)
	}
	bucket := bucketOf(key)
	r := timed{row{bytes.Clone(key), append([]byte{}, value...)}, int64(events)<<positionBits + 2*position + 2}
	if i, found := b.at[string(key)]; found {
		b.buckets[bucket][i] = r
		return nil
	}
	b.at[string(r.key)] = len(b.buckets[bucket])
	b.buckets[bucket] = append(b.buckets[bucket], r)
	return nil
}

// find returns the value that the batch has for a key.
func (b *batch) find(bucket int, key []byte) ([]byte, bool) {
	i, found := b.at[string(key)]
	if !found {
		return nil, false
	}
	return b.buckets[bucket][i].value, true
}

const (
	// positionBits is how many bits of the time of a row are for its position; above them is how many events were left
	// out of it.
	positionBits = 50
	lastPosition = 1<<(positionBits-1) - 2
	mostLeftOut  = 1<<(63-positionBits) - 2 // below what a generation is dropped with
	// actBits is how many acts one position has room for.
	actBits = 18
)

// parkedBits is how many rows a checkpoint has room for that stand still; a task has 100 at most.
const parkedBits = 7

// lastCheckpoint is the last position that the time of a checkpoint has room for.
const lastCheckpoint = 1<<(62-actBits-parkedBits) - 1

// timeOf is the time of the write of a checkpoint: its position; of two at one position that is the later which has
// followed more acts, and of two that have followed as many that which lists more rows as parked. Positions are below
// 1<<38.
func timeOf(c store.Checkpoint) int64 {
	acts, parked := min(int64(c.Acts), 1<<actBits-1), min(int64(len(c.Parked)), 1<<parkedBits-1)
	return (c.Next<<actBits+acts)<<parkedBits + parked + 2
}
