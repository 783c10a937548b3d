package engine

import (
	"context"
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	"github.com/refold/refold/projections/acts"
	"github.com/refold/refold/projections/projection"
	"github.com/refold/refold/projections/store"
	"github.com/refold/refold/schemas/event"
)

// ParkedRow is a row that stands still.
type ParkedRow struct {
	Generation int64
	Partition  int32
	Key        projection.Key
	store.Parked
	// Row is the row as JSON, as it was before the event that failed; "" where there was none.
	Row string
}

// Parked returns the rows of a projection that stand still, of the tasks held here, in order of generations,
// partitions and keys.
func (e *Engine) Parked(name string) (out []ParkedRow, err error) {
	if _, err := e.newest(name); err != nil {
		return nil, err
	}
	state, _ := e.cfg.Acts.State()
	for _, g := range state.Projection(name).Generations {
		rows, err := e.parkedOf(store.Generation{Projection: name, Number: g.Number})
		if err != nil {
			return nil, err
		}
		out = append(out, rows...)
	}
	return out, nil
}

func (e *Engine) parkedOf(id store.Generation) (out []ParkedRow, err error) {
	r := e.acquire(id)
	if r == nil {
		return nil, nil
	}
	defer r.readers.Done()
	for _, t := range r.Progress() {
		for _, p := range t.Parked {
			row := ParkedRow{Generation: id.Number, Partition: t.Partition, Key: projection.DecodeKey(string(p.Key)), Parked: p}
			stored, err := r.store.Load(t.Partition, p.Key)
			if err == nil && stored != nil {
				row.Row, err = r.cfg.Definition.Text(stored)
			}
			if err != nil {
				return nil, err
			}
			out = append(out, row)
		}
	}
	return out, nil
}

// RetryParked folds a parked row again, in every generation that it is parked in, and returns it where it is parked
// still. The fold may be another one by now; where it is the same, it fails again.
func (e *Engine) RetryParked(ctx context.Context, name string, row ParkedRow, principal, reason string) ([]ParkedRow, error) {
	return e.aboutRow(ctx, name, row, event.ActRecorded{Kind: event.ActRowRetried, Principal: principal, Reason: reason})
}

// DiscardParked leaves the event that a row stands still before out of that row for ever, in every generation and every
// replay, and folds the row again; it returns it where it is parked still, at a later event. The event remains in the
// log, and in all other rows.
func (e *Engine) DiscardParked(ctx context.Context, name string, row ParkedRow, principal, reason string) ([]ParkedRow, error) {
	return e.aboutRow(ctx, name, row, event.ActRecorded{Kind: event.ActRowDiscarded, Principal: principal, Reason: reason})
}

// aboutRow acts on a row and waits until every generation that it is parked in here has followed.
func (e *Engine) aboutRow(ctx context.Context, name string, row ParkedRow, a event.ActRecorded) ([]ParkedRow, error) {
	d, err := e.newest(name)
	if err != nil {
		return nil, err
	}
	state, _ := e.cfg.Acts.State()
	p := state.Projection(name)
	live, _ := p.Generation(p.Live)
	a.Row = hex.EncodeToString(row.Key.Encode())
	a.Positions = []event.TopicPosition{{Topic: row.Topic, Partition: row.Partition, Offset: row.Offset}}
	if row.Topic == "" {
		a.Positions[0].Topic, a.Positions[0].Offset = d.Topic, row.Position
	}
	before, err := e.parkedAlike(name, row)
	if err != nil {
		return nil, err
	}
	if err := e.about(ctx, name, p, live, a); err != nil {
		return nil, err
	}
	state, _ = e.cfg.Acts.State()
	rows := len(state.Projection(name).Rows)
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for {
		before = slices.DeleteFunc(before, func(r ParkedRow) bool { return e.followed(name, r, rows) })
		if len(before) == 0 {
			return e.parkedAlike(name, row)
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: it is decided, and done once the row can be folded: %w", ErrBehind, ctx.Err())
		}
	}
}

// parkedAlike returns where a row is parked, of those generations that run here.
func (e *Engine) parkedAlike(name string, row ParkedRow) (out []ParkedRow, err error) {
	all, err := e.Parked(name)
	for _, r := range all {
		if r.Partition == row.Partition && r.Key == row.Key {
			out = append(out, r)
		}
	}
	return out, err
}

// followed tells whether the task of a row has followed so many acts. One that is begun anew has not, until it is there.
func (e *Engine) followed(name string, row ParkedRow, rows int) bool {
	state, _ := e.cfg.Acts.State()
	if g, _ := state.Projection(name).Generation(row.Generation); g.Cancelled {
		return true
	}
	r := e.acquire(store.Generation{Projection: name, Number: row.Generation})
	if r == nil {
		return false
	}
	defer r.readers.Done()
	for _, t := range r.Progress() {
		if t.Partition == row.Partition {
			return t.Acts >= rows
		}
	}
	return false
}

// FindParked returns a row of a projection that is parked, in the live generation where it is in several. Text returns
// the key as it was asked for.
func (e *Engine) FindParked(name, key string, text func(projection.Key) string) (ParkedRow, error) {
	rows, err := e.Parked(name)
	if err != nil {
		return ParkedRow{}, err
	}
	state, _ := e.cfg.Acts.State()
	var found *ParkedRow
	for i, r := range rows {
		if text(r.Key) == key && (found == nil || r.Generation == state.Projection(name).Live) {
			found = &rows[i]
		}
	}
	if found == nil {
		return ParkedRow{}, &acts.Refusal{Why: fmt.Sprintf("%s has no parked row %s", name, key)}
	}
	return *found, nil
}
