package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/refold/refold/projections/projection"
	"github.com/refold/refold/projections/store"
	"github.com/refold/refold/projections/store/memory"
	"github.com/refold/refold/projections/trail"
	"github.com/refold/refold/schemas/event"
	"github.com/refold/refold/streams/position"
	"github.com/refold/refold/streams/timeline"
	"github.com/refold/refold/streams/topic"
)

// ErrFuture is wrapped where rows are asked for as of a time that has not come: what is recorded until then
// is not known.
var ErrFuture = errors.New("the time has not come yet")

// Moment is a point in the past of a partition: what was recorded up to then is folded, and nothing else.
type Moment struct {
	// Time includes what was recorded then, by the journal's clock. It is zero where Position counts.
	Time time.Time
	// Position is the offset of the first record that is not folded. One that the log has not reached is
	// ErrBehind. Where there are several sources it is an offset of the first: all is folded that came before it.
	Position int64
	// place is a position among the records of all sources, where it counts; the offset where there is one.
	place int64
}

// latest is the position of a moment that is the end of the log.
const latest = -1

// recorded are the fields that are read of a record to date and to name it.
type recorded struct {
	EventID    string       `avro:"event_id"`
	RecordedAt event.Micros `avro:"recorded_at"`
	OccurredAt event.Micros `avro:"occurred_at"`
}

// step is a record of the past on its way to a folder.
type step struct {
	*timeline.Record
	position   int64
	event      string
	recorded   recorded
	recordedAt time.Time
}

// pastFold is what is folded of the past, and how.
type pastFold struct {
	definition *projection.Definition
	generation int64
	folder     projection.Folder
	wanted     func(projection.Key) bool
	moment     Moment
	standing
	// next is the position up to which records were folded, first that of the first source, at when the last of them
	// was recorded, and late are the topics of which one was recorded after the moment.
	next, first int64
	at          time.Time
	late        map[string]bool
	scanned     bool
}

// newPastFold returns what folds the rows that are wanted up to a moment.
func (e *Engine) newPastFold(d *projection.Definition, m Moment, wanted func(projection.Key) bool) *pastFold {
	return &pastFold{definition: d, folder: d.Only(e.cfg.Codec, wanted), wanted: wanted, moment: m, late: make(map[string]bool)}
}

// past returns the rows of a key as they were. They are folded from the first event of the key, by the very
// folder that folds them live.
func (e *Engine) past(ctx context.Context, q Query) (*View, error) {
	f, err := e.foldOf(q, wantedRows(q.Key))
	if err != nil {
		return nil, err
	}
	if err := e.refold(ctx, q, f, f.fold); err != nil {
		return nil, err
	}
	rows := memory.NewStore()
	c := store.Checkpoint{Next: f.next, EventTime: f.at, More: store.More{Parked: f.parked.listed()}}
	err = rows.Save(q.Partition, c, func(w store.Writer) error { return f.folder.Changed(w.Set) })
	if err != nil {
		return nil, err
	}
	snapshot, err := rows.Snapshot()
	if err != nil {
		return nil, err
	}
	return &View{
		Generation: f.generation, Version: f.definition.Version, Topic: f.definition.Topic, Partition: q.Partition,
		Next: f.first, EventTime: f.at, Scanned: f.scanned, snapshot: snapshot, parked: standingAt(c), release: func() {},
	}, nil
}

// fold folds a record.
func (f *pastFold) fold(s step) error { return f.folder.FoldAt(s.Record, s.position) }

// wantedRows are the rows that records of a key's trail alone make: all rows of a customer, or those of one
// partition key that has no trail.
func wantedRows(key string) func(projection.Key) bool {
	customer, trailed := trail.Of(key)
	if !trailed {
		return func(k projection.Key) bool { return k.Partition == key }
	}
	return func(k projection.Key) bool {
		of, ok := trail.Of(k.Partition)
		return ok && of == customer
	}
}

// foldOf returns what folds the rows of a generation.
func (e *Engine) foldOf(q Query, wanted func(projection.Key) bool) (*pastFold, error) {
	state, _ := e.cfg.Acts.State()
	p := state.Projection(q.Projection)
	number := q.Generation
	if number == 0 {
		number = p.Live
	}
	for _, g := range p.Generations {
		if g.Number != number || g.Cancelled {
			continue
		}
		d, err := e.definition(q.Projection, g)
		if err != nil {
			return nil, err
		}
		f := e.newPastFold(d, *q.AsOf, wanted)
		f.generation = number
		f.standing, err = e.standingIn(store.Generation{Projection: q.Projection, Number: number}, q.Partition)
		f.leave(f.folder)
		return f, err
	}
	return nil, fmt.Errorf("%s generation %d: %w", q.Projection, number, ErrNotHere)
}

// errEnough ends a reading of the past at its moment.
var errEnough = errors.New("enough")

// refold hands the records of the past to fn, in order, up to the moment: those of the key's trail, or all
// of the partition where it has none.
func (e *Engine) refold(ctx context.Context, q Query, f *pastFold, fn func(step) error) error {
	if len(f.definition.Sources) > 1 {
		return e.refoldSeveral(ctx, q, f, fn)
	}
	until, err := e.until(ctx, q, f)
	if err != nil {
		return err
	}
	if err := e.refoldBelow(ctx, q, f, until, fn); err != nil {
		return err
	}
	if f.moment.Time.IsZero() {
		f.next, f.first = until, until
	}
	return nil
}

func (e *Engine) refoldBelow(ctx context.Context, q Query, f *pastFold, until int64, fn func(step) error) error {
	each := func(rec *timeline.Record) error { return e.stepOn(ctx, f, step{Record: rec, position: rec.Offset}, fn) }
	customer, trailed := trail.Of(q.Key)
	if _, err := e.newest(trail.Name); err != nil || !trailed || f.definition.Topic != topic.Transactions {
		f.scanned = true
		return e.scan(ctx, position.Partition{Topic: f.definition.Topic, Partition: q.Partition}, until, each)
	}
	offsets, err := e.trail(ctx, Query{Partition: q.Partition, Key: customer, AsOf: q.AsOf}, until)
	if err != nil {
		return err
	}
	return e.pick(ctx, position.Partition{Topic: f.definition.Topic, Partition: q.Partition}, offsets, each)
}

// until returns the position that nothing of the moment lies beyond, once the log has reached it.
func (e *Engine) until(ctx context.Context, q Query, f *pastFold) (int64, error) {
	wanted := max(q.AsOf.Position, q.AsOf.place)
	if q.AsOf.Time.IsZero() && q.AsOf.Position == 0 && wanted == 0 {
		return 0, nil
	}
	if err := q.AsOf.come(); err != nil {
		return 0, err
	}
	picker, err := e.picker()
	if err != nil {
		return 0, err
	}
	ends, err := picker.Ends(ctx, f.definition.Topic)
	if err != nil {
		return 0, err
	}
	end := ends[q.Partition]
	if !q.AsOf.Time.IsZero() || q.AsOf.Position == latest {
		return end, nil
	}
	if wanted > end {
		return 0, fmt.Errorf("%w: %s/%d ends at %d, before %d", ErrBehind, f.definition.Topic, q.Partition, end, wanted)
	}
	return wanted, nil
}

// come says whether the moment has come.
func (m *Moment) come() error {
	if m.Time.After(time.Now()) {
		return fmt.Errorf("%w: %s", ErrFuture, m.Time.UTC().Format(time.RFC3339Nano))
	}
	return nil
}

// stepOn hands one record to fn. One that was recorded after the moment ends the reading; of several sources, that of
// its own.
func (e *Engine) stepOn(ctx context.Context, f *pastFold, s step, fn func(step) error) error {
	rec := s.Record
	schema, err := e.cfg.Codec.Lookup(ctx, rec.Value)
	if err != nil {
		return fmt.Errorf("record at offset %d: %w", rec.Offset, err)
	}
	s.event, s.recordedAt = schema.Name, rec.Timestamp
	if err := schema.View(rec.Value, &s.recorded); err != nil {
		return fmt.Errorf("record at offset %d: %w", rec.Offset, err)
	}
	if s.recorded.RecordedAt != 0 {
		s.recordedAt = s.recorded.RecordedAt.Time()
	}
	if late := !f.moment.Time.IsZero() && s.recordedAt.After(f.moment.Time); late && len(f.definition.Sources) == 1 {
		return errEnough
	} else if late || f.late[rec.Topic] {
		f.late[rec.Topic] = true
		return nil
	}
	if err := fn(s); err != nil {
		return fmt.Errorf("%w: fold record at offset %d: %w", ErrStuck, rec.Offset, err)
	}
	f.next, f.at = s.position+1, s.recordedAt
	if rec.Topic == f.definition.Topic {
		f.first = rec.Offset + 1
	}
	return nil
}

// scan reads a partition from its beginning.
func (e *Engine) scan(ctx context.Context, at position.Partition, until int64, each func(*timeline.Record) error) error {
	spans := map[int32]timeline.Span{at.Partition: {Start: 0, End: until}}
	err := timeline.Scan(ctx, e.cfg.Cluster, at.Topic, spans, func(b timeline.Batch) error {
		for _, rec := range b.Records {
			if err := each(rec); err != nil {
				return err
			}
		}
		return nil
	})
	if errors.Is(err, errEnough) {
		return nil
	}
	return err
}
