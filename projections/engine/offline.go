package engine

import (
	"context"

	"github.com/refold/refold/projections/projection"
	"github.com/refold/refold/projections/store"
	"github.com/refold/refold/schemas/codec"
	"github.com/refold/refold/streams/timeline"
)

// Offline is one task that is fed by hand: the very task that a follower runs, without a broker, a clock
// or a goroutine. It is used by one goroutine at a time.
type Offline struct {
	t *task
}

// NewOffline returns the task of a partition, as its store has it.
func NewOffline(d *projection.Definition, c *codec.Codec, s store.Store, partition int32, maxRows int) (*Offline, error) {
	t, err := newTask(taskConfig{
		partition: partition, store: s, maxRows: maxRows,
		folder: func(b projection.Base) projection.Folder { return d.NewFolder(c, b) },
		learn:  func(context.Context, *timeline.Record) error { return nil },
		failed: func(error) {},
	})
	if err != nil {
		return nil, err
	}
	return &Offline{t: t}, nil
}

// Next returns the offset of the first record that is not folded.
func (o *Offline) Next() int64 { return o.t.next }

// Fold folds a batch without saving.
func (o *Offline) Fold(b timeline.Batch) error { return o.t.fold(context.Background(), b) }

// Save saves rows and checkpoint.
func (o *Offline) Save() error { return o.t.save() }
