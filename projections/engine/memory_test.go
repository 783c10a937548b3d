package engine

import (
	"context"
	"testing"

	"github.com/refold/refold/projections/projection"
	"github.com/refold/refold/projections/store/memory"
	"github.com/refold/refold/streams/timeline"
)

// heap is a folder to which every record is a row of its own. It keeps the most rows that it ever held.
type heap struct {
	counter
	dirty, held, older, most int
}

func (h *heap) Fold(rec *timeline.Record) error { return h.FoldAt(rec, rec.Offset) }

func (h *heap) FoldAt(*timeline.Record, int64) error {
	h.dirty++
	h.held++
	h.most = max(h.most, h.held+h.older)
	return nil
}

func (h *heap) Changed(func(key, value []byte) error) error { h.dirty = 0; return nil }
func (h *heap) Dirty() int                                  { return h.dirty }
func (h *heap) Len() int                                    { return h.held }
func (h *heap) Shrink()                                     { h.older, h.held = h.held, 0 }

// However many keys there are, and however much is read at once, a task holds few rows.
func TestTaskHoldsFewRows(t *testing.T) {
	const maxRows, records = 2_000, 50_000
	h := &heap{}
	tk, err := newTask(taskConfig{
		store: memory.NewStore(), maxRows: maxRows,
		folder: func(projection.Base) projection.Folder { return h },
		learn:  func(context.Context, *timeline.Record) error { return nil },
		failed: func(error) {},
	})
	if err != nil {
		t.Fatal(err)
	}
	b := timeline.Batch{Next: records, End: 2 * records}
	for o := range int64(records) {
		b.Records = append(b.Records, &timeline.Record{Offset: o})
	}
	if err := tk.take(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	if saved, _ := tk.state(); h.most > 2*(maxRows+maxPart) || tk.next != records || saved.Next < records-maxRows {
		t.Errorf("got at most %d rows, folded to %d and saved to %d; want at most %d, and all", h.most, tk.next, saved.Next, 2*(maxRows+maxPart))
	}
}
