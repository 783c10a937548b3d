// Package history is what the clients of the journal saw while it was disturbed, and whether that can be
// true: a [Checker] holds every answer, and the committed log, against the standing invariants.
//
// A history is one event for every call that began, one for its end, and one for every fault. It is written
// as JSON lines, so that a run that went wrong can be read, and checked again, without being repeated. It
// knows neither brokers nor processes: a simulation and a battery of real processes write the same.
package history

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
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
	// Rejected ends a call: the command was refused for Reason, and that is recorded as the answer to its
	// key for ever.
	Rejected Kind = "rejected"
	// Refused ends a call that wrote nothing: for Reason, nobody decided the command.
	Refused Kind = "refused"
	// Unknown ends a call whose outcome the client does not know: it may have been decided, or may yet be.
	Unknown Kind = "unknown"
	// Fault is something that was done to the system: What.
	Fault Kind = "fault"
)

// Event is one line of a history. A call's events have its Call, Client, Customer, Key, Command and Body.
type Event struct {
	Time     time.Time       `json:"time"`
	Kind     Kind            `json:"kind"`
	Call     int64           `json:"call,omitempty"` // the same in the beginning and the end of a call
	Client   string          `json:"client,omitempty"`
	Instance string          `json:"instance,omitempty"` // that was asked
	Customer string          `json:"customer,omitempty"`
	Key      string          `json:"key,omitempty"`
	Command  string          `json:"command,omitempty"` // the name of the request's message
	Body     json.RawMessage `json:"body,omitempty"`
	Record   *Place          `json:"record,omitempty"`
	Answer   json.RawMessage `json:"answer,omitempty"` // without the mark of a replay, which is Replayed
	Replayed bool            `json:"replayed,omitempty"`
	Reason   string          `json:"reason,omitempty"` // of a rejection, a refusal or an unknown end, if one was given
	What     string          `json:"what,omitempty"`   // of a fault, a refusal or an unknown end
}

// Acknowledged tells whether the client was told that something is recorded.
func (e *Event) Acknowledged() bool { return e.Kind == OK || e.Kind == Rejected }

// Place names a record as an answer names it.
type Place struct {
	EventID   string `json:"event_id"`
	Partition int32  `json:"partition"`
	Offset    int64  `json:"offset"`
}

// Recorder writes a history. Its methods may be called concurrently.
type Recorder struct {
	mu     sync.Mutex
	lines  *json.Encoder  // guarded by mu
	calls  int64          // guarded by mu
	counts map[Kind]int64 // guarded by mu
	err    error          // guarded by mu
}

// NewRecorder returns a recorder that writes to w, one event at a time.
func NewRecorder(w io.Writer) *Recorder {
	r := &Recorder{lines: json.NewEncoder(w), counts: make(map[Kind]int64)}
	r.lines.SetEscapeHTML(false)
	return r
}

// Add writes an event, as of now: a call ends in the history only after it has ended.
func (r *Recorder) Add(e Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.write(&e)
}

// Call writes the beginning of a call, which must not have begun, and returns it, numbered: its end is a
// changed copy.
func (r *Recorder) Call(e Event) Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls++
	e.Kind, e.Call = Invoke, r.calls
	r.write(&e)
	return e
}

func (r *Recorder) write(e *Event) {
	e.Time = time.Now().UTC()
	r.counts[e.Kind]++
	if err := r.lines.Encode(e); err != nil && r.err == nil {
		r.err = fmt.Errorf("write a history: %w", err)
	}
}

// Count returns how many events of a kind there are.
func (r *Recorder) Count(k Kind) int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.counts[k]
}

// Err returns why the history is not whole, nil where it is.
func (r *Recorder) Err() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}

// Read calls each with every event that a Recorder wrote, in order.
func Read(r io.Reader, each func(*Event)) error {
	lines := json.NewDecoder(r)
	for n := 1; ; n++ {
		var e Event
		err := lines.Decode(&e)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read event %d of a history: %w", n, err)
		}
		each(&e)
	}
}
