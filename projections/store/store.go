// Package store is where the rows of projections are kept: one store for each generation, with rows and
// checkpoints per task.
//
// Rows and checkpoint of a task are saved in one atomic step. What was saved last may be lost in a crash,
// but never out of order: what remains is the state after some earlier Save. The log is the truth and
// folds it again.
package store

import (
	"errors"
	"time"
)

// ErrDamaged is wrapped where rows cannot be opened because of what was found of them. They are lost: drop them.
// Where Open fails otherwise, they may be whole.
var ErrDamaged = errors.New("the rows are damaged: drop them, and make them again from the log")

// Checkpoint is up to where a task has saved its rows.
type Checkpoint struct {
	// Next is the offset of the first record that is not folded; where there are several sources, the sum of those
	// offsets.
	Next int64
	// EventTime is when the last folded record was recorded; zero before the first.
	EventTime time.Time
	// Log is the id that Kafka gave the topic, so that a position never comes to count another log. Where there are
	// several sources it is that of the first.
	Log [16]byte
	More
}

// More is what few checkpoints have.
type More struct {
	// Effects are where the topics that the projection emits to ended at some time before anything was emitted for
	// a record that is not folded. A partition that is not among them is taken to have ended at 0.
	Effects []End `json:"effects,omitempty"`
	// Parked are the rows that stand still since an event, or will when it is folded, in order of their keys.
	Parked []Parked `json:"parked,omitempty"`
	// Acts is how many of the projection's acts about rows were followed.
	Acts int `json:"acts,omitempty"`
	// Sources are up to where each source was folded, in the order in which the projection names them; none where
	// there is one.
	Sources []Source `json:"sources,omitempty"`
}

// Empty tells whether there is nothing of it.
func (m More) Empty() bool {
	return len(m.Effects) == 0 && len(m.Parked) == 0 && m.Acts == 0 && len(m.Sources) == 0
}

// Source is how far one of several sources was folded.
type Source struct {
	Topic string `json:"topic"`
	// Next is the offset of the first record that is not folded, Log the id that Kafka gave the topic.
	Next int64    `json:"next"`
	Log  [16]byte `json:"log"`
}

// First returns the offset of the first record of the first source that is not folded.
func (c Checkpoint) First() int64 {
	if len(c.Sources) == 0 {
		return c.Next
	}
	return c.Sources[0].Next
}

// Parked is a row that is not folded any more since an event that failed. The row is stored as it was before, or
// not at all where the event was its first.
type Parked struct {
	// Key is the encoded key of the row.
	Key []byte `json:"key"`
	// Position is that of the event, its offset where there is one source, Since when it was recorded, Reason why the
	// fold failed.
	Position int64     `json:"position"`
	Since    time.Time `json:"since"`
	Reason   string    `json:"reason"`
	// Topic and Offset are where the event stands; none in what was stored before they were kept, of one source.
	Topic  string `json:"topic,omitempty"`
	Offset int64  `json:"offset,omitempty"`
}

// End is where a partition of a topic ended.
type End struct {
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	Offset    int64  `json:"offset"`
}

// Reader reads rows and checkpoints, of a store or of a snapshot.
type Reader interface {
	// Checkpoint returns a task's checkpoint; the zero one where nothing was saved yet.
	Checkpoint(task int32) (Checkpoint, error)
	// Load returns a copy of the stored value of a row, or nil where there is none.
	Load(task int32, key []byte) ([]byte, error)
	// Scan calls fn for the rows from one key up to, not including, another, in order of their keys,
	// until fn returns false. A nil bound is open. Key and value are valid during the call.
	Scan(task int32, from, to []byte, fn func(key, value []byte) bool) error
}

// Snapshot is a store as it was at one moment.
type Snapshot interface {
	Reader
	// Close releases the snapshot. It must be called before its store is closed.
	Close() error
}

// Writer takes the rows of one Save.
type Writer interface {
	// Set writes a row. Key and value may be changed after the call.
	Set(key, value []byte) error
	// SetWithout is Set for a row that some events are left out of, which it was folded from before. Where several
	// processes write the row, late and twice, that stays which most are left out of, and of those which as many are
	// left out of that which was folded the furthest; Set leaves none out. The same events must have been left out
	// wherever as many were.
	SetWithout(events int, key, value []byte) error
}

// Store keeps the rows of one generation. Its methods may be called concurrently, Save for different
// tasks only.
type Store interface {
	Reader
	// Save writes the rows that fill gives it and the checkpoint, atomically.
	Save(task int32, c Checkpoint, fill func(Writer) error) error
	// Ingest is Save for very many rows, which fill gives in order of their keys, each once. It is durable
	// when it returns.
	Ingest(task int32, c Checkpoint, fill func(Writer) error) error
	// Snapshot returns the store as it is now.
	Snapshot() (Snapshot, error)
	// Close ends the store; everything saved is durable when it returns.
	Close() error
}

// Generation names the rows of one generation of a projection.
type Generation struct {
	Projection string
	Number     int64
}

// Stores opens and drops the stores of generations. Its methods may be called concurrently.
type Stores interface {
	// Open returns the store of a generation, empty where it is new. A generation is opened once.
	Open(g Generation) (Store, error)
	// Drop removes a generation's rows; its store must be closed. Dropping nothing is no error.
	Drop(g Generation) error
}
