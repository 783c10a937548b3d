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
	// ErrBehind.
	Position int64
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
	event      string
	recorded   recorded
	recordedAt time.Time
}

// pastFold is what is folded of the past, and how.
type pastFold struct {
	definition *projection.Definition
	generation int64
	folder     projection.Folder
	moment     Moment
	standing
	// next is the position up to which records were folded, at when the last of them was recorded.
	next    int64
	at      time.Time
	scanned bool
}

// past returns the rows of a key as they were. They are folded from the first event of the key, by the very
// folder that folds them live.
func (e *Engine) past(ctx context.Context, q Query) (*View, error) {
	f, err := e.foldOf(q, wantedRows(q.Key))
	if err != nil {
		return nil, err
	}
	if err := e.refold(ctx, q, f, func(s step) error { return f.folder.Fold(s.Record) }); err != nil {
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
		Next: f.next, EventTime: f.at, Scanned: f.scanned, snapshot: snapshot, parked: standingAt(c), release: func() {},
	}, nil
}

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
		if err := onlyOne(d, "a look into the past"); err != nil {
			return nil, err
		}
		f := &pastFold{definition: d, generation: number, folder: d.Only(e.cfg.Codec, wanted), moment: *q.AsOf}
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
	until, err := e.until(ctx, q, f)
	if err != nil {
		return err
	}
	if err := e.refoldBelow(ctx, q, f, until, fn); err != nil {
		return err
	}
	if f.moment.Time.IsZero() {
		f.next = until
	}
	return nil
}

func (e *Engine) refoldBelow(ctx context.Context, q Query, f *pastFold, until int64, fn func(step) error) error {
	each := func(rec *timeline.Record) error { return e.stepOn(ctx, f, rec, fn) }
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
	if q.AsOf.Time.IsZero() && q.AsOf.Position == 0 {
		return 0, nil
	}
	if q.AsOf.Time.After(time.Now()) {
		return 0, fmt.Errorf("%w: %s", ErrFuture, q.AsOf.Time.UTC().Format(time.RFC3339Nano))
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
	if q.AsOf.Position > end {
		return 0, fmt.Errorf("%w: %s/%d ends at %d, before %d", ErrBehind, f.definition.Topic, q.Partition, end, q.AsOf.Position)
	}
	return q.AsOf.Position, nil
}

// stepOn hands one record to fn, or ends the reading where it lies beyond the moment.
func (e *Engine) stepOn(ctx context.Context, f *pastFold, rec *timeline.Record, fn func(step) error) error {
	schema, err := e.cfg.Codec.Lookup(ctx, rec.Value)
	if err != nil {
		return fmt.Errorf("record at offset %d: %w", rec.Offset, err)
	}
	s := step{Record: rec, event: schema.Name, recordedAt: rec.Timestamp}
	if err := schema.View(rec.Value, &s.recorded); err != nil {
		return fmt.Errorf("record at offset %d: %w", rec.Offset, err)
	}
	if s.recorded.RecordedAt != 0 {
		s.recordedAt = s.recorded.RecordedAt.Time()
	}
	if !f.moment.Time.IsZero() && s.recordedAt.After(f.moment.Time) {
		return errEnough
	}
	if err := fn(s); err != nil {
		return fmt.Errorf("%w: fold record at offset %d: %w", ErrStuck, rec.Offset, err)
	}
	f.next, f.at = rec.Offset+1, s.recordedAt
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
