package pebble

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/cockroachdb/pebble/v2/objstorage/objstorageprovider"
	"github.com/cockroachdb/pebble/v2/sstable"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/refold/refold/projections/store"
)

// Ingest implements store.Store: rows and checkpoint become one table, which the database takes as it is,
// without a log, a table in memory and a compaction. The database has it whole or not at all, so that rows and
// checkpoint never disagree. A table that a crash leaves behind is in nobody's way: the task's next one
// takes its place.
func (r *rows) Ingest(task int32, c store.Checkpoint, fill func(store.Writer) error) error {
	path := filepath.Join(r.path, fmt.Sprintf("task-%d.table", task))
	if err := r.table(path, task, c, fill); err != nil {
		return fmt.Errorf("write table of task %d up to %d: %w", task, c.Next, errors.Join(err, r.opts.FS.Remove(path)))
	}
	if err := r.db.Ingest(context.Background(), []string{path}); err != nil {
		return fmt.Errorf("ingest task %d up to %d: %w", task, c.Next, err)
	}
	return nil
}

// table writes a table and makes it durable.
func (r *rows) table(path string, task int32, c store.Checkpoint, fill func(store.Writer) error) error {
	checkpoint, err := encodeCheckpoint(c)
	if err != nil {
		return err
	}
	file, err := r.opts.FS.Create(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	t := table{
		to:  sstable.NewWriter(objstorageprovider.NewFileWritable(file), r.opts.MakeWriterOptions(0, r.db.TableFormat())),
		key: stored(task, kindRow, nil),
	}
	// The checkpoint comes before the rows in the order of keys.
	err = t.to.Set(stored(task, kindCheckpoint, nil), checkpoint)
	if err == nil {
		err = fill(&t)
	}
	return errors.Join(err, t.to.Close())
}

// table is a writer of one table.
type table struct {
	to  *sstable.Writer
	key []byte // that of the row before
}

// Set implements store.Writer.
func (t *table) Set(key, value []byte) error {
	t.key = append(t.key[:prefix], key...)
	return t.to.Set(t.key, value)
}

// SetWithout implements store.Writer.
func (t *table) SetWithout(_ int, key, value []byte) error { return t.Set(key, value) }

// prefix is what a stored key has before that of the row: the task and the kind.
const prefix = 4 + 1
