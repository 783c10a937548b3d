// Package pebble keeps rows on disk, in one Pebble database for each generation, so that dropping a
// generation is removing a folder. It is for one process, which then holds all tasks.
//
// Saves are not synchronised to disk one by one: a crash of the machine may take the last ones, whole and
// from the end, and the log folds them again.
package pebble

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/sstable"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/refold/refold/projections/store"
)

// Stores keeps generations below a folder.
type Stores struct {
	dir    string
	cache  *pebble.Cache
	logger *slog.Logger
	files  vfs.FS
	free   func() (uint64, error) // the bytes that are free at dir
}

// New returns the stores below a folder, which share a block cache of the given size in bytes. The
// caller closes it when its stores are closed.
func New(dir string, cacheBytes int64, logger *slog.Logger) *Stores {
	s := &Stores{dir: dir, cache: pebble.NewCache(cacheBytes), logger: logger, files: vfs.Default}
	s.free = func() (uint64, error) {
		usage, err := vfs.Default.GetDiskUsage(dir)
		return usage.AvailBytes, err
	}
	return s
}

// Close releases the cache.
func (s *Stores) Close() { s.cache.Unref() }

func (s *Stores) path(g store.Generation) string {
	return filepath.Join(s.dir, g.Projection, strconv.FormatInt(g.Number, 10))
}

// Open implements store.Stores.
func (s *Stores) Open(g store.Generation) (store.Store, error) {
	path := s.path(g)
	if err := os.MkdirAll(path, 0o755); err != nil {
		return nil, fmt.Errorf("open rows of %s generation %d: %w", g.Projection, g.Number, err)
	}
	if err := knownDamage(path); err != nil {
		return nil, fmt.Errorf("open rows of %s generation %d: %w", g.Projection, g.Number, err)
	}
	opts := &pebble.Options{
		Cache:                       s.cache,
		MemTableSize:                16 << 20,
		MemTableStopWritesThreshold: 4,
		L0CompactionThreshold:       8,
		FormatMajorVersion:          pebble.FormatNewest,
		Logger:                      logger{s.logger},
		FS:                          vfs.OnDiskFull(s.files, s.awaitRoom),
		EventListener:               &pebble.EventListener{DataCorruption: s.damaged(path)},
	}
	for i := range opts.Levels {
		opts.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
		opts.Levels[i].Compression = func() *sstable.CompressionProfile { return sstable.SnappyCompression }
	}
	db, err := pebble.Open(path, opts)
	if err != nil {
		if s.damaging(path, err) {
			err = fmt.Errorf("%w: %w", store.ErrDamaged, err)
		}
		return nil, fmt.Errorf("open rows of %s generation %d in %s: %w", g.Projection, g.Number, path, err)
	}
	return &rows{reader: reader{db}, db: db, path: path, opts: opts}, nil
}

// Drop implements store.Stores.
func (s *Stores) Drop(g store.Generation) error {
	if err := os.RemoveAll(s.path(g)); err != nil {
		return fmt.Errorf("drop rows of %s generation %d: %w", g.Projection, g.Number, err)
	}
	return nil
}

// A stored key is the task's number (4 bytes), one of these, and for a row its key.
const (
	kindCheckpoint = 0
	kindRow        = 1
)

func stored(task int32, kind byte, key []byte) []byte {
	b := make([]byte, 0, prefix+len(key))
	b = binary.BigEndian.AppendUint32(b, uint32(task))
	b = append(b, kind)
	return append(b, key...)
}

// reader reads a database or a snapshot of it.
type reader struct {
	from pebble.Reader
}

func (r reader) Checkpoint(task int32) (store.Checkpoint, error) {
	b, err := r.load(stored(task, kindCheckpoint, nil))
	if err != nil || b == nil {
		return store.Checkpoint{}, err
	}
	if len(b) < checkpointSize {
		return store.Checkpoint{}, fmt.Errorf("checkpoint of task %d has %d bytes", task, len(b))
	}
	c := store.Checkpoint{Next: int64(binary.BigEndian.Uint64(b))}
	if micros := int64(binary.BigEndian.Uint64(b[8:])); micros != 0 {
		c.EventTime = time.UnixMicro(micros).UTC()
	}
	copy(c.Log[:], b[16:])
	if more := b[checkpointSize:]; len(more) > 0 {
		if err := json.Unmarshal(more, &c.More); err != nil {
			return store.Checkpoint{}, fmt.Errorf("checkpoint of task %d: %w", task, err)
		}
	}
	return c, nil
}

// checkpointSize is that of a checkpoint with nothing in its More, which follows as JSON where there is something.
const checkpointSize = 8 + 8 + 16

func encodeCheckpoint(c store.Checkpoint) ([]byte, error) {
	b := binary.BigEndian.AppendUint64(make([]byte, 0, checkpointSize), uint64(c.Next))
	var micros int64
	if !c.EventTime.IsZero() {
		micros = c.EventTime.UnixMicro()
	}
	b = binary.BigEndian.AppendUint64(b, uint64(micros))
	b = append(b, c.Log[:]...)
	if c.Empty() {
		return b, nil
	}
	more, err := json.Marshal(c.More)
	return append(b, more...), err
}

func (r reader) Load(task int32, key []byte) ([]byte, error) {
	return r.load(stored(task, kindRow, key))
}

func (r reader) load(key []byte) ([]byte, error) {
	v, closer, err := r.from.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("load %x: %w", key, err)
	}
	out := slices.Clone(v)
	return out, closer.Close()
}

func (r reader) Scan(task int32, from, to []byte, fn func(key, value []byte) bool) (err error) {
	upper := stored(task, kindRow+1, nil)
	if to != nil {
		upper = stored(task, kindRow, to)
	}
	it, err := r.from.NewIter(&pebble.IterOptions{LowerBound: stored(task, kindRow, from), UpperBound: upper})
	if err != nil {
		return fmt.Errorf("scan task %d: %w", task, err)
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	for ok := it.First(); ok; ok = it.Next() {
		v, err := it.ValueAndErr()
		if err != nil {
			return fmt.Errorf("scan task %d: %w", task, err)
		}
		if !fn(it.Key()[prefix:], v) {
			return nil
		}
	}
	return it.Error()
}

// rows is the store of one generation.
type rows struct {
	reader
	db   *pebble.DB
	path string
	opts *pebble.Options
}

type writer struct {
	batch *pebble.Batch
	task  int32
}

func (w writer) Set(key, value []byte) error {
	op := w.batch.SetDeferred(prefix+len(key), len(value))
	binary.BigEndian.PutUint32(op.Key, uint32(w.task))
	op.Key[4] = kindRow
	copy(op.Key[prefix:], key)
	copy(op.Value, value)
	return op.Finish()
}

func (w writer) SetWithout(_ int, key, value []byte) error { return w.Set(key, value) }

func (r *rows) Save(task int32, c store.Checkpoint, fill func(store.Writer) error) error {
	// A rebuilding task saves some MB at once; the batch keeps its memory for the next one.
	batch := r.db.NewBatch(pebble.WithMaxRetainedSizeBytes(4 << 20))
	defer batch.Close()
	if err := fill(writer{batch, task}); err != nil {
		return fmt.Errorf("save task %d: %w", task, err)
	}
	checkpoint, err := encodeCheckpoint(c)
	if err == nil {
		err = batch.Set(stored(task, kindCheckpoint, nil), checkpoint, nil)
	}
	if err != nil {
		return fmt.Errorf("save checkpoint of task %d: %w", task, err)
	}
	if err := batch.Commit(pebble.NoSync); err != nil {
		return fmt.Errorf("save task %d up to %d: %w", task, c.Next, err)
	}
	return nil
}

type snapshot struct {
	reader
	snap *pebble.Snapshot
}

func (s snapshot) Close() error { return s.snap.Close() }

func (r *rows) Snapshot() (store.Snapshot, error) {
	s := r.db.NewSnapshot()
	return snapshot{reader{s}, s}, nil
}

func (r *rows) Close() error {
	err := r.db.LogData(nil, pebble.Sync)
	if err = errors.Join(err, r.db.Close()); err != nil {
		return fmt.Errorf("close rows: %w", err)
	}
	return nil
}

// logger gives Pebble's own words to the structured log.
type logger struct{ to *slog.Logger }

func (l logger) Infof(format string, args ...any)  { l.to.Debug(fmt.Sprintf(format, args...)) }
func (l logger) Errorf(format string, args ...any) { l.to.Error(fmt.Sprintf(format, args...)) }
func (l logger) Fatalf(format string, args ...any) {
	l.to.Error(fmt.Sprintf(format, args...))
	panic(fmt.Sprintf(format, args...))
}
