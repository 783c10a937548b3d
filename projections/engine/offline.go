package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"slices"

	"github.com/refold/refold/projections/acts"
	"github.com/refold/refold/projections/projection"
	"github.com/refold/refold/projections/store"
	"github.com/refold/refold/schemas/codec"
	"github.com/refold/refold/schemas/event"
	"github.com/refold/refold/streams/effect"
	"github.com/refold/refold/streams/group"
	"github.com/refold/refold/streams/position"
	"github.com/refold/refold/streams/timeline"
)

// Offline is one task that is fed by hand: the very task that a follower runs, without a broker, a clock
// or a goroutine. It is used by one goroutine at a time.
type Offline struct {
	t *task
}

// NewOffline returns the task of a partition, as its store has it. Its effects go nowhere.
func NewOffline(d *projection.Definition, c *codec.Codec, s store.Store, partition int32, maxRows int) (*Offline, error) {
	if len(d.Sources) > 1 {
		return nil, fmt.Errorf("fold %s without a log of rounds: it reads %v", d.Name, d.Sources)
	}
	return newOffline(d, c, s, taskConfig{partition: partition, maxRows: maxRows})
}

// NewEmitting is NewOffline for a task whose effects go to a log, as those of the live generation of a new process:
// it knows nothing of what was published but what the log and its checkpoint say.
func NewEmitting(d *projection.Definition, c *codec.Codec, s store.Store, partition int32, maxRows int, log *EffectLog) (*Offline, error) {
	encoders, err := encodersOf(context.Background(), c, d.Emits)
	if err != nil {
		return nil, err
	}
	var topics []string
	for _, kind := range d.Emits {
		if !slices.Contains(topics, kind.Topic) {
			topics = append(topics, kind.Topic)
		}
	}
	e := newEmitter(emitterConfig{
		projection: d.Name, source: d.Topic, topics: topics, log: newRoundLog(d.Name, c), logger: slog.New(slog.DiscardHandler),
		membership: func() group.Membership { return group.Membership{ID: "offline"} },
		open:       func(context.Context) (outlet, error) { return log, nil },
		scan:       log.scan,
		read: func(ctx context.Context, rec *timeline.Record) (event.Effect, bool, error) {
			return readEffect(ctx, c, rec)
		},
	})
	e.rules([]acts.Reign{{Generation: 1}}, nil)
	e.plays(map[int64][]string{1: d.Sources}, map[string]int64{sourceSet(d.Sources): 1})
	return newOffline(d, c, s, taskConfig{
		partition: partition, maxRows: maxRows,
		emission: func(c store.Checkpoint) *emission {
			return newEmission(e, voice{1, partition}, fold{d.Sources, encoders}, c)
		},
	})
}

func newOffline(d *projection.Definition, c *codec.Codec, s store.Store, cfg taskConfig) (*Offline, error) {
	cfg.store, cfg.sources, cfg.clock = s, d.Sources, clockOf(c)
	cfg.folder = func(b projection.Base) projection.Folder { return d.NewFolder(c, b) }
	cfg.learn = func(context.Context, *timeline.Record) error { return nil }
	cfg.failed = func(error) {}
	cfg.resumed = func() {}
	t, err := newTask(cfg)
	if err != nil {
		return nil, err
	}
	return &Offline{t: t}, nil
}

// Next returns the offset of the first record that is not folded.
func (o *Offline) Next() int64 { return o.t.next }

// Fold folds a batch without saving. Where there are several sources there may be a batch of each, and what may be
// folded by the logged rounds is; beyond them a round ends where a source is waited for.
func (o *Offline) Fold(batches ...timeline.Batch) error {
	ctx := context.Background()
	if o.t.path == nil {
		for _, b := range batches {
			if err := o.t.fold(ctx, b); err != nil {
				return err
			}
		}
		return nil
	}
	if err := o.t.emission.know(ctx, o.t.first()); err != nil {
		return err
	}
	for source := range o.t.path.sources {
		o.t.path.merger.saw(source, 0) // one of which nothing came yet is at its end
	}
	for _, b := range batches {
		if err := o.t.admit(ctx, b); err != nil {
			return err
		}
	}
	for {
		b, ok, err := o.t.piece()
		if err != nil || !ok {
			return err
		}
		if err := o.t.fold(ctx, b); err != nil {
			return err
		}
	}
}

// Save releases what was emitted, and saves rows and checkpoint.
func (o *Offline) Save() error { return o.t.save(context.Background()) }

// Release tries once to release what was emitted, and saves nothing.
func (o *Offline) Release() error { return o.t.emission.try(context.Background(), o.t.first()) }

// Fault is what happens to one release of an EffectLog.
type Fault int

// Faults of a release. After each but the first the writer is told of an error.
const (
	// Fine is no fault.
	Fine Fault = iota
	// Refused appends nothing.
	Refused
	// Unanswered appends all.
	Unanswered
	// Torn appends what goes to the first partition alone, as a broker may that crashes between two markers.
	Torn
)

// ErrFault is what a writer is told where a release has a fault.
var ErrFault = errors.New("the release has a fault")

// EffectLog is topics of effects in memory, every topic with the same number of partitions.
type EffectLog struct {
	Partitions int32
	// Next are the faults of the releases to come; those after them are fine.
	Next []Fault
	// Released is how many releases there were.
	Released int

	records map[position.Partition][]*timeline.Record
}

// Records returns what was published, each partition in its order, partitions in no order.
func (l *EffectLog) Records() (all []*timeline.Record) {
	for _, records := range l.records {
		all = append(all, records...)
	}
	return all
}

// Only returns a log with what this one holds of one topic.
func (l *EffectLog) Only(topic string) *EffectLog {
	out := &EffectLog{Partitions: l.Partitions, records: make(map[position.Partition][]*timeline.Record)}
	for at, records := range l.records {
		if at.Topic == topic {
			out.records[at] = slices.Clone(records)
		}
	}
	return out
}

// Close implements the right to publish; it is given again and again.
func (l *EffectLog) Close() {}

// Ends returns where the topics end.
func (l *EffectLog) Ends(_ context.Context, topics ...string) (map[position.Partition]int64, error) {
	ends := make(map[position.Partition]int64)
	for _, topic := range topics {
		for p := range l.Partitions {
			at := position.Partition{Topic: topic, Partition: p}
			ends[at] = int64(len(l.records[at]))
		}
	}
	return ends, nil
}

// Release appends records, or some of them, as the fault says.
func (l *EffectLog) Release(_ context.Context, records []effect.Record, _ effect.Done) (map[position.Partition]int64, error) {
	l.Released++
	fault := Fine
	if len(l.Next) > 0 {
		fault, l.Next = l.Next[0], l.Next[1:]
	}
	if l.records == nil {
		l.records = make(map[position.Partition][]*timeline.Record)
	}
	ends := make(map[position.Partition]int64)
	for _, r := range records {
		if fault == Refused || fault == Torn && r.At != records[0].At {
			continue
		}
		end := int64(len(l.records[r.At]))
		l.records[r.At] = append(l.records[r.At], &timeline.Record{
			Topic: r.At.Topic, Partition: r.At.Partition, Offset: end, Key: r.Key, Value: r.Value,
		})
		ends[r.At] = end + 1
	}
	if fault != Fine {
		return nil, ErrFault
	}
	return ends, nil
}

func (l *EffectLog) scan(_ context.Context, topic string, spans map[int32]timeline.Span, each func(timeline.Batch) error) error {
	for p, span := range spans {
		at := position.Partition{Topic: topic, Partition: p}
		end := min(span.End, math.MaxInt32)
		b := timeline.Batch{Topic: topic, Partition: p, From: span.Start, Next: end, Records: l.records[at][span.Start:end]}
		if err := each(b); err != nil {
			return err
		}
	}
	return nil
}
