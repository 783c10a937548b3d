package engine

import (
	"github.com/refold/refold/projections/projection"
	"github.com/refold/refold/projections/store"
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
