// Package history is what the clients of the journal saw while it was disturbed, and whether that can be
// true: Check holds every answer, and the committed log, against the standing invariants.
//
// A history is one event for every call that began, one for its end, and one for every fault. It is written
// as JSON lines, so that a run that went wrong can be read, and checked again, without being repeated.
package history

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"
)

// Kind is what an event tells.
type Kind string

// The kinds of events.
const (
	// Invoke is the beginning of a call.
	Invoke Kind = "invoke"
	// OK ends a call: the command was accepted, and Answer tells what was recorded.
	OK Kind = "ok"
	// Rejected ends a call: the command was refused for Reason. Record is nil where the refusal is none
	// that is recorded.
	Rejected Kind = "rejected"
	// Unknown ends a call whose outcome the client does not know.
	Unknown Kind = "unknown"
	// Fault is something that was done to the system: What.
	Fault Kind = "fault"
)

// Event is one line of a history. A call's events have its Call, Client, Customer and Key.
type Event struct {
	Time     time.Time       `json:"time"`
	Kind     Kind            `json:"kind"`
	Call     int64           `json:"call,omitempty"` // the same in the beginning and the end of a call
	Client   string          `json:"client,omitempty"`
	Instance string          `json:"instance,omitempty"` // that was asked
	Customer string          `json:"customer,omitempty"`
	Key      string          `json:"key,omitempty"`
	Command  string          `json:"command,omitempty"`
	Body     json.RawMessage `json:"body,omitempty"`
	Record   *Place          `json:"record,omitempty"`
	Answer   json.RawMessage `json:"answer,omitempty"` // without the mark of a replay
	Reason   string          `json:"reason,omitempty"`
	What     string          `json:"what,omitempty"` // of a fault, a rejection or an unknown end
}

// Place names a record as an answer names it.
type Place struct {
	EventID   string `json:"event_id"`
	Partition int32  `json:"partition"`
	Offset    int64  `json:"offset"`
}

// Recorder collects a history. Its methods may be called concurrently.
type Recorder struct {
	mu     sync.Mutex
	events []Event // guarded by mu
	calls  int64   // guarded by mu
}

// Add appends an event: a call ends in the history only after it has ended, and begins before it begins.
func (r *Recorder) Add(e Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, e)
}

// Call appends the beginning of a call and returns it, numbered: its end is a changed copy.
func (r *Recorder) Call(e Event) Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls++
	e.Kind, e.Call = Invoke, r.calls
	r.events = append(r.events, e)
	return e
}

// Events returns the history so far.
func (r *Recorder) Events() []Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.events)
}

// Write writes a history as JSON lines.
func Write(w io.Writer, events []Event) error {
	lines := json.NewEncoder(w)
	for _, e := range events {
		if err := lines.Encode(e); err != nil {
			return fmt.Errorf("write a history: %w", err)
		}
	}
	return nil
}

// Read reads what Write wrote.
func Read(r io.Reader) ([]Event, error) {
	var out []Event
	lines := json.NewDecoder(r)
	for {
		var e Event
		err := lines.Decode(&e)
		if err == io.EOF {
			return out, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read event %d of a history: %w", len(out)+1, err)
		}
		out = append(out, e)
	}
}
