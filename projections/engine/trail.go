package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/refold/refold/projections/projection"
	"github.com/refold/refold/projections/trail"
	"github.com/refold/refold/schemas/codec"
	"github.com/refold/refold/streams/position"
	"github.com/refold/refold/streams/timeline"
)

// trail returns the offsets below a position that concern a customer; those of chunks that begin after the
// moment are left out.
func (e *Engine) trail(ctx context.Context, q Query, until int64) (offsets []int64, err error) {
	v, err := e.View(ctx, Query{Projection: trail.Name, Partition: q.Partition, MinOffset: until})
	if err != nil {
		return nil, err
	}
	defer v.Close()
	row, err := codec.RowOf[trail.Row]()
	if err != nil {
		return nil, err
	}
	var broken error
	err = v.Scan(q.Key, "", "", func(_ projection.Key, stored []byte) bool {
		var r trail.Row
		if _, broken = projection.Decode(row, stored, &r); broken != nil {
			return false
		}
		late := !q.AsOf.Time.IsZero() && r.FirstAt.Time().After(q.AsOf.Time)
		if late || r.First >= until {
			return false
		}
		offsets, broken = r.Offsets(offsets)
		return broken == nil
	})
	if err := errors.Join(err, broken); err != nil {
		return nil, fmt.Errorf("trail of %s: %w", q.Key, err)
	}
	for len(offsets) > 0 && offsets[len(offsets)-1] >= until {
		offsets = offsets[:len(offsets)-1]
	}
	return offsets, nil
}

// atOnce bounds the records of a trail that are in memory at a time.
const atOnce = 4096

// pick reads the records of a trail.
func (e *Engine) pick(ctx context.Context, at position.Partition, offsets []int64, each func(*timeline.Record) error) error {
	picker, err := e.picker()
	if err != nil {
		return err
	}
	for len(offsets) > 0 {
		n := min(len(offsets), atOnce)
		records, err := picker.ReadAt(ctx, at, offsets[:n])
		if err != nil {
			return err
		}
		for _, rec := range records {
			if err := each(rec); errors.Is(err, errEnough) {
				return nil
			} else if err != nil {
				return err
			}
		}
		offsets = offsets[n:]
	}
	return nil
}
