package harness

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/refold/refold/projections/engine"
	"github.com/refold/refold/schemas/event"
	"github.com/refold/refold/streams/timeline"
	"github.com/refold/refold/streams/topic"
)

// told prints what was published, as text, in the order of the events that it came of.
func (r run) told(t *testing.T) string {
	t.Helper()
	type line struct {
		event.Effect
		text string
	}
	var lines []line
	for _, rec := range r.effects.Records() {
		if rec.Topic == topic.Rounds {
			continue
		}
		schema, err := r.codec.Lookup(t.Context(), rec.Value)
		if err != nil {
			t.Fatal(err)
		}
		l := line{}
		if err := schema.Decode(rec.Value, &l.Effect); err != nil {
			t.Fatal(err)
		}
		name, text, err := r.codec.JSON(t.Context(), rec.Value)
		if err != nil {
			t.Fatal(err)
		}
		l.text = fmt.Sprintf("%s %s @%d %s %s\n", rec.Topic, rec.Key, l.SourceOffset, name, text)
		lines = append(lines, l)
	}
	slices.SortFunc(lines, func(a, b line) int {
		if a.SourceOffset != b.SourceOffset {
			return int(a.SourceOffset - b.SourceOffset)
		}
		return strings.Compare(a.text, b.text)
	})
	var b strings.Builder
	for _, l := range lines {
		b.WriteString(l.text)
	}
	return b.String()
}

// waysToEmit returns what may happen to effects on their way.
func waysToEmit() map[string]func(*testing.T, run, []*timeline.Record) {
	return map[string]func(*testing.T, run, []*timeline.Record){
		"a crash after every release":       releasedAndLost(engine.Fine),
		"a crash in every refused release":  releasedAndLost(engine.Refused),
		"a crash in every unheard release":  releasedAndLost(engine.Unanswered),
		"a crash in every torn release":     releasedAndLost(engine.Torn),
		"every release is refused once":     released(engine.Refused),
		"every release is unheard once":     released(engine.Unanswered),
		"every release is torn once":        released(engine.Torn),
		"rows and checkpoint lost at times": everythingLost,
		"released far ahead of the rows":    farAhead,
	}
}

// releasedAndLost releases after every record, with a fault, and loses all that was not saved.
func releasedAndLost(fault engine.Fault) func(*testing.T, run, []*timeline.Record) {
	return func(t *testing.T, r run, records []*timeline.Record) {
		t.Helper()
		for i := range records {
			lost := r.open(t)
			fold(t, lost, records[:i+1])
			r.effects.Next = []engine.Fault{fault}
			if err := lost.Release(); err != nil && fault == engine.Fine {
				t.Fatal(err)
			}
			r.effects.Next = nil
			if i%2 == 1 { // every second record is saved
				o := r.open(t)
				fold(t, o, records[:i+1])
				save(t, o)
			}
		}
		o := r.open(t)
		fold(t, o, records)
		save(t, o)
	}
}

// released has every release fail at first, and goes on.
func released(fault engine.Fault) func(*testing.T, run, []*timeline.Record) {
	return func(t *testing.T, r run, records []*timeline.Record) {
		t.Helper()
		o := r.open(t)
		for i := range records {
			fold(t, o, records[i:i+1])
			r.effects.Next = []engine.Fault{fault}
			save(t, o)
		}
	}
}

// everythingLost folds from the beginning again and again.
func everythingLost(t *testing.T, r run, records []*timeline.Record) {
	t.Helper()
	for i := range records {
		r.store.Wipe(r.partition)
		o := r.open(t)
		fold(t, o, records[:i+1])
		save(t, o)
	}
}

// farAhead releases everything before the rows follow, one stop after the other.
func farAhead(t *testing.T, r run, records []*timeline.Record) {
	t.Helper()
	ahead := r.open(t)
	fold(t, ahead, records)
	if err := ahead.Release(); err != nil {
		t.Fatal(err)
	}
	stopEverywhere(t, r, records)
}
