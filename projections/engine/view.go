package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/refold/refold/projections/projection"
	"github.com/refold/refold/projections/store"
)

// ErrBehind is wrapped where a projection has not folded a wanted position before the deadline. Try
// again, or ask for less.
var ErrBehind = errors.New("the projection has not folded that position yet")

// ErrStuck is wrapped where a projection stands still before a wanted position, because a fold failed.
// Waiting does not help; an operator must look.
var ErrStuck = errors.New("the projection stands still before that position")

// Query says what a read wants.
type Query struct {
	Projection string
	Partition  int32
	// Generation is the one to read, such as that of a page before; 0 is the live one.
	Generation int64
	// MinOffset is the position of the partition, of the first source, that must be folded; 0 is any.
	MinOffset int64
	// AsOf asks for rows as they were; nil is as they are. Key is then the partition key whose rows are
	// wanted, and the view holds those of its customer, or of the key where that is no customer's.
	AsOf *Moment
	Key  string
}

// View is one task of one generation as it was at one moment: every read of it agrees with every other.
// It is used by one goroutine at a time, and closed.
type View struct {
	// Generation is the one that is read, and Version that of its fold.
	Generation, Version int64
	// Topic, Partition and Next are up to where its rows were folded; of several sources the first.
	Topic     string
	Partition int32
	Next      int64
	EventTime time.Time
	// Scanned says that a look into the past had to read the partition, for want of a trail.
	Scanned bool
	// Lag is how many records are not folded, and Behind for how long there has been one.
	Lag    int64
	Behind time.Duration

	snapshot store.Snapshot
	parked   []store.Parked
	still    *store.Parked // of those that were read, the one that stands still for the longest
	release  func()
}

// View waits for the wanted position, until ctx ends, and returns the rows as they are then.
func (e *Engine) View(ctx context.Context, q Query) (*View, error) {
	if _, err := e.newest(q.Projection); err != nil {
		return nil, err
	}
	state, _ := e.cfg.Acts.State()
	if q.Generation == 0 {
		q.Generation = state.Projection(q.Projection).Live
	}
	if q.AsOf != nil {
		v, err := e.past(ctx, q)
		if err != nil {
			return nil, fmt.Errorf("read %s as it was: %w", q.Projection, err)
		}
		return v, nil
	}
	r := e.acquire(store.Generation{Projection: q.Projection, Number: q.Generation})
	if r == nil {
		return nil, fmt.Errorf("%s generation %d: %w", q.Projection, q.Generation, ErrNotHere)
	}
	v, err := r.view(ctx, q)
	if err != nil {
		r.readers.Done()
		return nil, fmt.Errorf("read %s: %w", q.Projection, err)
	}
	return v, nil
}

func (r *running) view(ctx context.Context, q Query) (*View, error) {
	t, err := r.reach(ctx, q.Partition, q.MinOffset)
	switch {
	case err == nil:
	case errors.Is(err, ErrNotHere):
		return nil, err
	case ctx.Err() != nil:
		return nil, fmt.Errorf("%w: %w", ErrBehind, err)
	default:
		return nil, fmt.Errorf("%w: %w", ErrStuck, err)
	}
	s, err := r.store.Snapshot()
	if err != nil {
		return nil, err
	}
	c, err := s.Checkpoint(q.Partition)
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return &View{
		Generation: q.Generation, Version: r.cfg.Definition.Version,
		Topic: r.cfg.Definition.Topic, Partition: q.Partition, Next: c.First(), EventTime: c.EventTime,
		Lag: max(t.end.Load()-c.Next, 0), Behind: t.behind(time.Now()), snapshot: s, parked: standingAt(c), release: r.readers.Done,
	}, nil
}

// Load returns the stored value of a row, or nil where there is none.
func (v *View) Load(k projection.Key) ([]byte, error) {
	v.meet(k.Encode(), append(k.Encode(), 0))
	return v.snapshot.Load(v.Partition, k.Encode())
}

// Scan calls fn for the rows of a partition key whose sort keys lie from one up to, not including,
// another, in order, until fn returns false. An empty upper bound is open. The value is valid during the
// call.
func (v *View) Scan(partition, from, to string, fn func(k projection.Key, value []byte) bool) error {
	lower := projection.Key{Partition: partition, Sort: from}.Encode()
	upper := projection.Key{Partition: partition, Sort: to}.Encode()
	if to == "" {
		upper = append([]byte(partition), 1)
	}
	v.meet(lower, upper)
	return v.snapshot.Scan(v.Partition, lower, upper, func(k, value []byte) bool {
		return fn(projection.DecodeKey(string(k)), value)
	})
}

// meet notes rows that stand still among those from one key up to, not including, another.
func (v *View) meet(from, to []byte) {
	for i, p := range v.parked {
		if bytes.Compare(p.Key, from) >= 0 && bytes.Compare(p.Key, to) < 0 && (v.still == nil || p.Since.Before(v.still.Since)) {
			v.still = &v.parked[i]
		}
	}
}

// ParkedSince returns since which event a row stands still that was read, by when it was recorded: what the view says
// of it is older than the rest. It is false where all rows go on.
func (v *View) ParkedSince() (time.Time, bool) {
	if v.still == nil {
		return time.Time{}, false
	}
	return v.still.Since, true
}

// Close releases the view.
func (v *View) Close() error {
	defer v.release()
	return v.snapshot.Close()
}
