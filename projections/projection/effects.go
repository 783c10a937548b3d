package projection

import (
	"errors"
	"fmt"
	"slices"

	"github.com/refold/refold/schemas/codec"
	"github.com/refold/refold/schemas/event"
	"github.com/refold/refold/streams/timeline"
)

// EffectKind is a kind of effect that a projection emits: an event, to a topic.
type EffectKind struct{ Topic, Event string }

// Effect is an effect on its way out of a folder.
type Effect struct {
	Topic string
	// Row is the encoded key of the row whose fold had it.
	Row string
	// Event is complete. It and its strings are valid during the call that hands it over.
	Event event.Emitted
}

// ErrUndeclared is wrapped where a fold emits what its projection does not declare.
var ErrUndeclared = errors.New("the handler does not say that it emits this")

// Effects takes what a fold emits for one event and row.
type Effects struct {
	list []Effect
}

// Add emits an event to a topic. The fold names the customer in it, whose id becomes the record's key, and fills
// in what is the event's own; the rest of its Effect is filled in here. It is published once, whatever is
// replayed, and not at all where the event that is folded is imported history. The strings of e may be those of
// the event that is folded.
func (f *Effects) Add(topic string, e event.Emitted) {
	f.list = append(f.list, Effect{Topic: topic, Event: e})
}

// Emit is On for folds that have effects. The kinds of effects are named by To.
func Emit[E, R any](topic, event string, keys func(*E, *Keys), fold func(Key, *R, *E, Meta, *Effects) error) Handler[R] {
	return handler(topic, event, keys, fold)
}

// To says that the handler emits an event to a topic.
func (h Handler[R]) To(topic, event string) Handler[R] {
	h.emits = append(slices.Clone(h.emits), EffectKind{Topic: topic, Event: event})
	return h
}

// origin are the fields of a source event that its effects carry on.
type origin struct {
	EventID       string       `avro:"event_id"`
	Principal     string       `avro:"principal"`
	CorrelationID string       `avro:"correlation_id"`
	Historical    bool         `avro:"historical"`
	OccurredAt    event.Micros `avro:"occurred_at"`
}

// emitter hands out the effects of one folder.
type emitter struct {
	projection string
	kinds      []EffectKind
	// sink takes the effects; they are not asked for where it is nil.
	sink    func(Effect) error
	effects Effects
}

// hand gives the effects that a row had of a record to the sink.
func (m *emitter) hand(s *codec.Schema, rec *timeline.Record, row string) error {
	if len(m.effects.list) == 0 {
		return nil
	}
	var from origin
	if err := s.View(rec.Value, &from); err != nil {
		return err
	}
	for i, e := range m.effects.list {
		if !slices.Contains(m.kinds, EffectKind{e.Topic, e.Event.Name()}) {
			return fmt.Errorf("emit %s to %s: %w", e.Event.Name(), e.Topic, ErrUndeclared)
		}
		if from.Historical || m.sink == nil {
			continue
		}
		head := e.Event.Emission()
		*head = event.Effect{
			CustomerID: head.CustomerID, Projection: m.projection,
			SourceTopic: rec.Topic, SourcePartition: rec.Partition, SourceOffset: rec.Offset,
			Principal: from.Principal, CorrelationID: from.CorrelationID, CausationID: from.EventID, OccurredAt: from.OccurredAt,
		}
		head.EffectID = event.EffectIDOf(head, []byte(row), i)
		e.Row = row
		if err := m.sink(e); err != nil {
			return err
		}
	}
	return nil
}

// kindsOf returns what handlers emit, each kind once.
func kindsOf[R any](handlers []Handler[R]) (kinds []EffectKind) {
	for _, h := range handlers {
		for _, kind := range h.emits {
			if !slices.Contains(kinds, kind) {
				kinds = append(kinds, kind)
			}
		}
	}
	return kinds
}
