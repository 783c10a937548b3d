// Package snapshot is the form in which rows stand at a vector of positions outside a store: one Parquet file,
// compressed with zstd, that any tool for Parquet can read. Its columns are partition, key and value, rows being
// in order of the first two; key and value are as stores keep them. What fold made the rows, and up to where, is
// metadata of the file, under the key refold.
//
// A file is written under another name, synchronised, and only then given its own, so that a file with its name
// is whole.
package snapshot

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress/zstd"

	"github.com/refold/refold/projections/store"
)

// ErrSnapshot is wrapped where a file is not a snapshot that this build can read.
var ErrSnapshot = errors.New("it is no snapshot that this build can read")

// Header says what the rows of a snapshot are.
type Header struct {
	Format     int    `json:"format"`
	Projection string `json:"projection"`
	// Version and Hash are those of the fold.
	Version int64  `json:"version"`
	Hash    string `json:"hash"`
	Topic   string `json:"topic"`
	// Tasks are where the rows of each partition stand, in order of the partitions.
	Tasks []Task `json:"tasks"`
}

// Task is where the rows of one partition stand.
type Task struct {
	Partition int32 `json:"partition"`
	// Next is the offset of the first record that is not folded.
	Next      int64     `json:"next"`
	EventTime time.Time `json:"event_time"`
	// Log is the id that Kafka gave the topic.
	Log [16]byte `json:"log"`
	// More is the rest of the checkpoint.
	store.More
}

// Checkpoint returns the checkpoint that belongs to the rows.
func (t Task) Checkpoint() store.Checkpoint {
	return store.Checkpoint{Next: t.Next, EventTime: t.EventTime, Log: t.Log, More: t.More}
}

// TaskOf returns where a task's rows stand.
func TaskOf(partition int32, c store.Checkpoint) Task {
	return Task{Partition: partition, Next: c.Next, EventTime: c.EventTime, Log: c.Log, More: c.More}
}

const (
	format = 1
	// headerKey is the metadata key of the header.
	headerKey = "refold"
	// groupRows bounds the rows of a row group: so many are in memory while a file is written. No group holds rows
	// of two partitions.
	groupRows = 100_000
	// readRows is how many rows are read at a time.
	readRows = 512
)

// row is a row of the file.
type row struct {
	Partition int32  `parquet:"partition"`
	Key       []byte `parquet:"key"`
	Value     []byte `parquet:"value"`
}

// Write writes the rows of the tasks of h, as from has them, and returns how many there are.
func Write(path string, h Header, from store.Reader) (rows int64, err error) {
	h.Format = format
	header, err := json.Marshal(h)
	if err != nil {
		return 0, fmt.Errorf("write snapshot %s: %w", path, err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return 0, fmt.Errorf("write snapshot: %w", err)
	}
	unfinished := path + ".new"
	file, err := os.Create(unfinished)
	if err != nil {
		return 0, fmt.Errorf("write snapshot: %w", err)
	}
	w := parquet.NewGenericWriter[row](file, parquet.Compression(&zstd.Codec{}), parquet.KeyValueMetadata(headerKey, string(header)))
	for _, t := range h.Tasks {
		n, problem := writeTask(w, t.Partition, from)
		rows, err = rows+n, errors.Join(err, problem)
	}
	if err = errors.Join(err, w.Close(), file.Sync(), file.Close()); err == nil {
		err = os.Rename(unfinished, path)
	}
	if err != nil {
		return 0, errors.Join(fmt.Errorf("write snapshot %s: %w", path, err), os.Remove(unfinished))
	}
	return rows, nil
}

func writeTask(w *parquet.GenericWriter[row], partition int32, from store.Reader) (rows int64, err error) {
	var broken error
	err = from.Scan(partition, nil, nil, func(key, value []byte) bool {
		if _, broken = w.Write([]row{{partition, key, value}}); broken == nil {
			if rows++; rows%groupRows == 0 {
				broken = w.Flush()
			}
		}
		return broken == nil
	})
	return rows, errors.Join(err, broken, w.Flush())
}

// Snapshot is a file that is read. It may be used concurrently.
type Snapshot struct {
	Header
	file    *os.File
	parquet *parquet.File
}

// Open opens a file. The caller closes it.
func Open(path string) (s *Snapshot, err error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open snapshot: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("open snapshot %s: %w", path, err), file.Close())
		}
	}()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	p, err := parquet.OpenFile(file, info.Size())
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSnapshot, err)
	}
	s = &Snapshot{file: file, parquet: p}
	header, _ := p.Lookup(headerKey)
	if err := json.Unmarshal([]byte(header), &s.Header); err != nil || s.Format != format {
		return nil, fmt.Errorf("%w: format %d, %w", ErrSnapshot, s.Format, errors.Join(err))
	}
	return s, nil
}

// Close ends the reading.
func (s *Snapshot) Close() error { return s.file.Close() }

// Scan calls fn for the rows of a partition, in order of their keys, until fn returns false. Key and value are
// valid during the call.
func (s *Snapshot) Scan(partition int32, fn func(key, value []byte) bool) error {
	for _, group := range s.parquet.RowGroups() {
		more, err := scanGroup(group, partition, fn)
		if err != nil {
			return fmt.Errorf("read snapshot %s: %w", s.file.Name(), err)
		}
		if !more {
			return nil
		}
	}
	return nil
}

// scanGroup calls fn for the rows of a group, if they are of the partition, and tells whether it wants more.
func scanGroup(group parquet.RowGroup, partition int32, fn func(key, value []byte) bool) (bool, error) {
	r := parquet.NewGenericRowGroupReader[row](group)
	defer r.Close()
	rows := make([]row, readRows)
	for {
		n, err := r.Read(rows)
		for _, x := range rows[:n] {
			if x.Partition != partition {
				return true, nil
			}
			if !fn(x.Key, bytes.Clone(x.Value)) {
				return false, nil
			}
		}
		if errors.Is(err, io.EOF) {
			return true, nil
		}
		if err != nil {
			return false, err
		}
	}
}
