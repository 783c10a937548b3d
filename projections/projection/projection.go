// Package projection is the contract of a read model: a name, a version, the events it reads, the keys
// of the rows that an event touches, and a fold.
//
// A fold is a pure function of a row and an event. Its clock is the event's; it does no I/O, starts no
// goroutine, reads no package variable, draws no random number, and its result depends on no map's order.
// That is what makes a rewind safe: folding the same events again gives the same rows, byte for byte.
//
// A newcomer writes a Row, a small struct with the fields to be read of each event, keys and a fold:
//
//	var handler = projection.On(topic.Transactions, event.NameEntryPosted, keys, fold)
//
//	func keys(e *posted, k *projection.Keys)                       { k.Add(e.CustomerID, month(e.OccurredAt)) }
//	func fold(k projection.Key, r *Row, e *posted, m projection.Meta) error { r.Count++; return nil }
package projection

import (
	"errors"
	"fmt"
	"regexp"
	"slices"

	"github.com/refold/refold/schemas/codec"
	"github.com/refold/refold/schemas/event"
	"github.com/refold/refold/streams/timeline"
)

// Key names a row. Partition is the id that the row's task follows from (a customer, an account); Sort
// orders the rows below it.
type Key struct {
	Partition string
	Sort      string
}

// Meta is what a fold may know of a record beside the fields it named.
type Meta struct {
	Partition int32
	Offset    int64
	// Value is the record's stored value, valid during the call.
	Value []byte
}

// Handler folds one kind of event into rows of type R.
type Handler[R any] struct {
	topic string
	event string
	// problem is why the event's fields cannot be read.
	problem error
	// emits are the kinds of effects of the fold.
	emits []EffectKind
	bind  bind[R]
}

// On folds events of a topic. E is a struct with avro tags that names the fields to be read; it and what
// it holds are valid during the calls only: a fold clones the strings that it keeps. The key belongs to the
// row and may be kept. Keys adds the key of every row that
// the event touches, each once; fold changes one of them. A row that does not exist yet is the zero R.
func On[E, R any](topic, event string, keys func(*E, *Keys), fold func(Key, *R, *E, Meta) error) Handler[R] {
	return handler(topic, event, keys, func(k Key, r *R, e *E, m Meta, _ *Effects) error { return fold(k, r, e, m) })
}

// folding is a fold of E into rows of R.
type folding[E, R any] func(Key, *R, *E, Meta, *Effects) error

func handler[E, R any](topic, event string, keys func(*E, *Keys), fold folding[E, R]) Handler[R] {
	bind := func(s *codec.Schema, out *rows[R]) (codec.Fields, func(*timeline.Record) error) {
		var view codec.View[E]
		var k Keys
		return &view, func(rec *timeline.Record) error {
			k.reset()
			e := view.Event()
			keys(e, &k)
			meta, at := Meta{Partition: rec.Partition, Offset: rec.Offset, Value: rec.Value}, rec.Offset+out.shift
			for i := range k.ends {
				if out.wanted != nil && !out.wanted(DecodeKey(string(k.encoded(i)))) {
					continue
				}
				row, err := out.row(k.encoded(i), k.ends[i].fresh)
				if err != nil {
					return err
				}
				if at <= row.offset || out.skip != nil && out.skip(row.key, rec, at) {
					continue
				}
				err = foldOne(out, row, e, meta, fold)
				if err == nil {
					err = out.emitter.hand(s, rec, row.key)
				}
				if err != nil {
					return &RowError{Key: row.key, Position: at, Topic: rec.Topic, Offset: rec.Offset, At: rec.Timestamp, Err: err}
				}
				row.offset = at
			}
			return nil
		}
	}
	return Handler[R]{topic: topic, event: event, problem: codec.CheckView[E](event), bind: bind}
}

func foldOne[E, R any](out *rows[R], s *slot[R], e *E, meta Meta, fold folding[E, R]) error {
	out.emitter.effects.list = out.emitter.effects.list[:0]
	if err := fold(s.place(), &s.row, e, meta, &out.emitter.effects); err != nil {
		return err
	}
	out.touch(s)
	return nil
}

// Definition is a projection as the engine runs it, whatever the type of its rows.
type Definition struct {
	// Name is the projection's name: lower-case letters, digits and hyphens.
	Name string
	// Version is raised with every change of the fold.
	Version int64
	// Topic is the first source, whose partitions are shared out among processes. Sources are all of them, each once:
	// topics with the same number of partitions, in which everything about a customer has the same partition number.
	Topic   string
	Sources []string
	// Reads are the kinds of events that are folded, each of one source.
	Reads []Read
	// Emits are the kinds of effects that the folds have, each once; none for most projections.
	Emits []EffectKind
	// RowHash identifies the row schema, and Hash what is folded with it; see Recorded.
	RowHash, Hash string
	// NewFolder returns a folder over the stored rows of one task.
	NewFolder func(c *codec.Codec, base Base) Folder
	// Only returns a folder over no stored rows that changes none but those that are wanted: what is not
	// wanted need not have been folded from its beginning. It is for looks into the past of a few rows.
	Only func(c *codec.Codec, wanted func(Key) bool) Folder
	// Text returns a stored row as JSON, for people.
	Text func(value []byte) (string, error)
}

// Read is a kind of event that a projection folds.
type Read struct{ Topic, Event string }

// Base is where a folder finds the rows that it does not hold in memory.
type Base interface {
	// Load returns the stored value of a row, or nil where there is none. The value is valid until the
	// next call.
	Load(key []byte) ([]byte, error)
}

// nothing is a base without rows.
type nothing struct{}

// Load implements Base.
func (nothing) Load([]byte) ([]byte, error) { return nil, nil }

// Folder folds the records of one partition into rows in memory. It is used by one goroutine at a time.
type Folder interface {
	// Fold folds one record of a projection's only source. Rows that have seen the record's offset already are left
	// alone. After an error the rows in memory are worth nothing: the folder must be thrown away. A *RowError says
	// which row failed.
	Fold(rec *timeline.Record) error
	// FoldAt is Fold where there are several sources: what counts is then the position that the record has among the
	// records of all of them, and not its offset.
	FoldAt(rec *timeline.Record, position int64) error
	// Changed calls fn for every row changed since the last call, in order of their keys, with its
	// stored form. Key and value are valid during the call.
	Changed(fn func(key, value []byte) error) error
	// Dirty returns how many rows Changed would give.
	Dirty() int
	// Len returns how many rows were used since the last call of Shrink or Forget. As many more may be held
	// in memory.
	Len() int
	// Shrink forgets the rows in memory that were not used since the call before. It does nothing where rows
	// have changed since the last call of Changed.
	Shrink()
	// Stored returns the present form of a row, held in memory or not; nil where there is none.
	Stored(key []byte) ([]byte, error)
	// Skip has the folder leave rows alone, each by its encoded key, at the records, and the positions of these, that
	// fn says. Nil is for none, as at the beginning.
	Skip(fn func(key string, rec *timeline.Record, position int64) bool)
	// Emit has the effects of what is folded from now on handed to sink, in the order of the records, for each
	// record that changed a row. Nil is for folds whose effects are not wanted, as at the beginning.
	Emit(sink func(Effect) error)
	// Forget is Shrink for folds that run ahead of the stored rows and are never saved: it may forget every
	// row last changed at or below an offset, changed or not, and no other.
	Forget(offset int64)
}

// ErrDefinition is wrapped by every error of Define.
var ErrDefinition = errors.New("projection cannot be defined")

// Define makes a projection of its handlers.
func Define[R any](name string, version int64, handlers ...Handler[R]) (*Definition, error) {
	row, err := codec.RowOf[R]()
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrDefinition, name, err)
	}
	if err := check(name, version, handlers); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrDefinition, name, err)
	}
	emits := kindsOf(handlers)
	var reads []Read
	for _, h := range handlers {
		reads = append(reads, Read{h.topic, h.event})
	}
	return &Definition{
		Name:    name,
		Version: version,
		Topic:   handlers[0].topic,
		Sources: sourcesOf(handlers),
		Reads:   reads,
		Emits:   emits,
		RowHash: row.Hash(),
		Hash:    row.Hash(),
		NewFolder: func(c *codec.Codec, base Base) Folder {
			f := newFolder(c, row, base, handlers)
			f.rows.emitter = emitter{projection: name, kinds: emits}
			return f
		},
		Only: func(c *codec.Codec, wanted func(Key) bool) Folder {
			f := newFolder(c, row, nothing{}, handlers)
			f.rows.emitter = emitter{projection: name, kinds: emits}
			f.rows.wanted = wanted
			return f
		},
		Text: func(value []byte) (string, error) { return text(row, value) },
	}, nil
}

// check finds everything that is wrong with a definition.
func check[R any](name string, version int64, handlers []Handler[R]) error {
	var problems []error
	if !regexp.MustCompile(`^[a-z][a-z0-9-]*$`).MatchString(name) || version < 1 {
		problems = append(problems, errors.New("a name is lower-case letters, digits and hyphens, a version is 1 or more"))
	}
	if len(handlers) == 0 {
		problems = append(problems, errors.New("it reads nothing"))
	}
	read, sources := make(map[string]bool), sourcesOf(handlers)
	for _, h := range handlers {
		problems = append(problems, h.problem)
		for _, kind := range h.emits {
			if event.Schema(kind.Event) == "" {
				problems = append(problems, fmt.Errorf("it emits %s, and there is no such event", kind.Event))
			}
			if slices.Contains(sources, kind.Topic) {
				problems = append(problems, fmt.Errorf("it emits %s to %s, which it reads", kind.Event, kind.Topic))
			}
		}
		if read[h.event] {
			problems = append(problems, fmt.Errorf("%s has two handlers", h.event))
		}
		read[h.event] = true
	}
	return errors.Join(problems...)
}

// sourcesOf returns the topics that handlers read, each once, the first handler's first.
func sourcesOf[R any](handlers []Handler[R]) (topics []string) {
	for _, h := range handlers {
		if !slices.Contains(topics, h.topic) {
			topics = append(topics, h.topic)
		}
	}
	return topics
}

// MustDefine is Define for catalogs; a projection that cannot be defined is a programmer's mistake.
func MustDefine[R any](name string, version int64, handlers ...Handler[R]) *Definition {
	d, err := Define(name, version, handlers...)
	if err != nil {
		panic(err)
	}
	return d
}
