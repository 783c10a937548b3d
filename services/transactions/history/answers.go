package history

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/refold/refold/schemas/event"
)

// name is an idempotency key in its scope.
type name struct{ customer, key string }

func (n name) String() string { return fmt.Sprintf("key %q of customer %s", n.key, n.customer) }

// cause is the id of the record that one of this name follows from without being asked for, "" where it was
// asked for: the bank ends its own keys with it, behind a space, and a key of a client holds none.
func (n name) cause() string {
	_, id, _ := strings.Cut(n.key, " ")
	return id[strings.LastIndex(id, " ")+1:]
}

// asked is everything about one key.
type asked struct {
	content string // what was asked first
	several bool   // other contents were asked as well
	reused  bool   // it was refused as that of another command
	open    int    // calls that may have written: all but those that were refused
	answer  *Event // the first one that names a record
	first   int    // the line at which it was asked first
	told    int    // the line at which it was answered first; none where it never was
}

const none = math.MaxInt

// answers compares what clients were told with what is in the log.
type answers struct {
	*report
	lines int
	keys  map[name]*asked
	at    map[name]Place
	ids   map[string]bool // of all records
}

func newAnswers(r *report) answers {
	return answers{report: r, keys: make(map[name]*asked), at: make(map[name]Place), ids: make(map[string]bool)}
}

// writesNothing tells whether a reason is one of those that are not recorded: the key stands for another
// command, or is not spent.
func writesNothing(reason string) bool {
	switch reason {
	case keyReused, "MALFORMED", "ENTRY_CROSS_PARTITION", "NOT_OWNER", "BUSY":
		return true
	}
	return false
}

const keyReused = "IDEMPOTENCY_KEY_REUSED"

func (a *answers) event(e *Event) {
	if e.Kind == Fault { // of no key
		return
	}
	a.lines++
	n, content := name{e.Customer, e.Key}, e.Command+" "+string(e.Body)
	k := a.keys[n]
	if k == nil {
		k = &asked{content: content, first: a.lines, told: none}
		a.keys[n] = k
	}
	switch e.Kind {
	case Invoke:
		k.open++
		k.several = k.several || content != k.content
	case Refused:
		k.open--
		k.reused = k.reused || e.Reason == keyReused
		if !writesNothing(e.Reason) {
			a.found(Lost, "I-ACK: %s was refused for %s, and no record was named", n, e.Reason)
		}
	case OK, Rejected:
		a.told(n, k, e)
	default: // an unknown end says nothing
	}
}

// told takes the answer to a key.
func (a *answers) told(n name, k *asked, e *Event) {
	if e.Record == nil {
		a.found(Lost, "I-ACK: %s was answered with %s (%s), and with no record", n, e.Kind, e.Reason)
		return
	}
	if k.answer == nil {
		k.answer, k.told = e, a.lines
		return
	}
	first := k.answer
	switch {
	case *e.Record != *first.Record || e.Kind != first.Kind || e.Reason != first.Reason || string(e.Answer) != string(first.Answer):
		a.found(Different, "I-SAME: %s was answered with %s and with %s", n, first.told(), e.told())
	case e.Command != first.Command || string(e.Body) != string(first.Body):
		a.found(Different, "I-SAME: %s was answered for %s %s and for %s %s", n, first.Command, first.Body, e.Command, e.Body)
	}
}

// told is an answer in words.
func (e *Event) told() string {
	return fmt.Sprintf("%s at %d/%d (%s%s)", e.Kind, e.Record.Partition, e.Record.Offset, e.Reason, e.Answer)
}

func (a *answers) record(r *Record) {
	n, place := r.name(), r.place()
	if other, twice := a.at[n]; twice {
		a.found(Doubled, "I-ONCE: %s stands at %d/%d and at %d/%d", n, other.Partition, other.Offset, place.Partition, place.Offset)
	}
	a.at[n], a.ids[place.EventID] = place, true
	if n.cause() != "" {
		return
	}
	k := a.keys[n]
	switch {
	case k == nil:
		a.found(Unasked, "I-ACK: %s stands at %d/%d, and was never asked", n, place.Partition, place.Offset)
	case k.answer != nil:
		a.compare(n, k.answer, r)
	case k.open == 0:
		a.found(Unasked, "I-ACK: %s stands at %d/%d, and was refused whenever it was asked", n, place.Partition, place.Offset)
	}
}

// compare compares what a record says with what was answered.
func (a *answers) compare(n name, told *Event, r *Record) {
	if place := r.place(); place != *told.Record {
		a.found(Different, "I-ACK: %s was answered with %s, and stands as %+v", n, told.told(), place)
	}
	rejected, no := r.Fact.(*event.CommandRejected)
	if no != (told.Kind == Rejected) || no && rejected.Reason != told.Reason {
		a.found(Different, "I-ACK: %s was answered with %s, and the log says %+v", n, told.told(), r.Fact)
	}
	posted, ok := r.Fact.(*event.EntryPosted)
	if legs := legs(told.Answer); ok && len(legs) > 0 && !slices.EqualFunc(legs, posted.Legs, leg.is) {
		a.found(Different, "I-ACK: %s was answered with %s, and the log holds %+v", n, told.told(), posted.Legs)
	}
}

// missing looks for what must be in the log and is not.
func (a *answers) missing() {
	for _, n := range sorted(a.keys) {
		k := a.keys[n]
		if _, there := a.at[n]; !there && k.answer != nil {
			a.found(Lost, "I-ACK: %s was answered with %s, and is not in the log", n, k.answer.told())
		}
		if k.reused && !k.several {
			a.found(Different, "I-SAME: %s was refused as that of another command, and there was none", n)
		}
	}
	for _, n := range sorted(a.at) {
		if id := n.cause(); id != "" && !a.ids[id] {
			a.found(Unasked, "I-ACK: %s stands at %d/%d, and what it follows from does not", n, a.at[n].Partition, a.at[n].Offset)
		}
	}
}

func sorted[V any](names map[name]V) []name {
	return slices.SortedFunc(maps.Keys(names), func(a, b name) int {
		return cmp.Or(cmp.Compare(a.customer, b.customer), cmp.Compare(a.key, b.key))
	})
}
