// Package history keeps what clients asked a bank and what they were told, and holds it against the log.
//
// A history is a file of JSON lines, one for each call, in the order in which they ended. It says nothing
// about how the bank was disturbed: whatever happened, a [Checker] must find the history and the log to
// agree. It knows neither brokers nor processes, so that a simulation can use it as well.
package history

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"
)

// Outcome is how a call ended.
type Outcome string

// How calls end.
const (
	// OK is a command that was accepted: its record is in the log.
	OK Outcome = "ok"
	// Rejected is a command that was recorded as refused: the answer to its key for ever.
	Rejected Outcome = "rejected"
	// Refused is a call that wrote nothing: the key stands for another command, or this server is not the one.
	Refused Outcome = "refused"
	// Unknown is a call that may have been decided, or may yet be.
	Unknown Outcome = "unknown"
)

// Op is one call of one client.
type Op struct {
	Client int `json:"client"`
	// Call is the RPC, such as Transfer, and Server who was asked.
	Call   string `json:"call"`
	Server string `json:"server"`
	// Customer and Key are the scope and the idempotency key.
	Customer string          `json:"customer"`
	Key      string          `json:"key"`
	Request  json.RawMessage `json:"request"`
	Begun    time.Time       `json:"begun"`
	Ended    time.Time       `json:"ended"`
	Outcome  Outcome         `json:"outcome"`
	// Reason is why a command was rejected or refused, or what is unknown about it.
	Reason string `json:"reason,omitempty"`
	// Answer is what was answered, but for whether it was answered before, which Replayed says.
	Answer   json.RawMessage `json:"answer,omitempty"`
	Replayed bool            `json:"replayed,omitempty"`
	// Partition and Offset are where the answer says that its record is. They mean nothing without one.
	Partition int32 `json:"partition"`
	Offset    int64 `json:"offset"`
}

// Acknowledged tells whether the client was told that something is recorded.
func (o *Op) Acknowledged() bool { return o.Outcome == OK || o.Outcome == Rejected }

// Writer writes a history. Its methods may be called concurrently.
type Writer struct {
	mu     sync.Mutex
	file   *os.File
	buffer *bufio.Writer
	counts map[Outcome]int64
}

// Create makes a history file.
func Create(path string) (*Writer, error) {
	f, err := os.Create(path)
	if err != nil {
		return nil, fmt.Errorf("create history: %w", err)
	}
	return &Writer{file: f, buffer: bufio.NewWriterSize(f, 1<<16), counts: make(map[Outcome]int64)}, nil
}

// Write adds a call that has ended.
func (w *Writer) Write(o *Op) error {
	line, err := json.Marshal(o)
	if err != nil {
		return fmt.Errorf("write history: %s: %w", o.Key, err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.counts[o.Outcome]++
	if _, err := w.buffer.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("write history: %w", err)
	}
	return nil
}

// Count returns how many calls have ended in an outcome.
func (w *Writer) Count(o Outcome) int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.counts[o]
}

// Close writes out what is left.
func (w *Writer) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return errors.Join(w.buffer.Flush(), w.file.Close())
}

// Read calls each with every call of a history, in order.
func Read(path string, each func(*Op)) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("read history: %w", err)
	}
	defer f.Close()
	lines := json.NewDecoder(bufio.NewReaderSize(f, 1<<16))
	for {
		var o Op
		err := lines.Decode(&o)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read history %s: %w", path, err)
		}
		each(&o)
	}
}
