// Package preferences is a read model: of what each customer wants to be told, and where they are.
//
// A row is one customer. What is set counts only if it was meant to replace what is there, which its revision says:
// that is how two who set at the same time, or one who sets again for want of an answer, come to one result, the same
// for everybody who folds the log. A row remembers which settings counted last, so that who asked can be told.
package preferences

import (
	"embed"
	"strings"

	"github.com/refold/refold/projections/projection"
	"github.com/refold/refold/schemas/event"
	"github.com/refold/refold/streams/topic"
)

// Name is the projection's name.
const Name = "preferences"

// Remembered is how many settings a row remembers.
const Remembered = 50

// Row is what a customer wants. Its Revision is 0 where nothing that was set counted.
type Row struct {
	Revision int64  `avro:"revision"`
	TimeZone string `avro:"time_zone"` // "": UTC
	Rules    []Rule `avro:"rules"`
	Set      []Set  `avro:"set"` // what counted, oldest first: the last one gave what is there
}

// Rule is what the customer wants of one kind of alert, as in PreferencesSet.
type Rule struct {
	Kind  string `avro:"kind"`
	Off   bool   `avro:"off"`
	Limit int64  `avro:"limit"`
}

// Set is a setting that counted.
type Set struct {
	EventID  string            `avro:"event_id"`
	Hash     event.CommandHash `avro:"hash"` // of what was asked for
	Revision int64             `avro:"revision"`
	At       event.Micros      `avro:"at"`
}

// set are the fields of PreferencesSet that are read.
type set struct {
	EventID     string            `avro:"event_id"`
	RecordedAt  event.Micros      `avro:"recorded_at"`
	CustomerID  string            `avro:"customer_id"`
	CommandHash event.CommandHash `avro:"command_hash"`
	Revision    int64             `avro:"revision"`
	TimeZone    string            `avro:"time_zone"`
	Rules       []Rule            `avro:"rules"`
}

//go:embed testdata/*.txt
var scripts embed.FS

// Definition returns the projection.
func Definition() *projection.Definition {
	return projection.MustDefine(Name, 1, projection.On(topic.Profiles, event.NamePreferencesSet, keys, fold)).Recorded(scripts)
}

// Key returns the row of a customer.
func Key(customer string) projection.Key { return projection.Key{Partition: customer} }

func keys(e *set, k *projection.Keys) { k.Add(e.CustomerID, "") }

func fold(_ projection.Key, r *Row, e *set, _ projection.Meta) error {
	if e.Revision != r.Revision+1 {
		return nil
	}
	r.Revision, r.TimeZone = e.Revision, strings.Clone(e.TimeZone)
	r.Rules = make([]Rule, len(e.Rules))
	for i, rule := range e.Rules {
		r.Rules[i] = Rule{Kind: strings.Clone(rule.Kind), Off: rule.Off, Limit: rule.Limit}
	}
	r.Set = append(r.Set, Set{EventID: strings.Clone(e.EventID), Hash: e.CommandHash, Revision: e.Revision, At: e.RecordedAt})
	if old := len(r.Set) - Remembered; old > 0 {
		r.Set = append([]Set(nil), r.Set[old:]...)
	}
	return nil
}

// Counted returns the setting of an event that counted, false where none did that is remembered.
func (r *Row) Counted(eventID string) (Set, bool) {
	for _, s := range r.Set {
		if s.EventID == eventID {
			return s, true
		}
	}
	return Set{}, false
}
