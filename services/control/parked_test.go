package control_test

import (
	"errors"
	"sync/atomic"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/refold/refold/projections/acts"
	"github.com/refold/refold/projections/projection"
	"github.com/refold/refold/projections/spending"
	"github.com/refold/refold/projections/store/memory"
	"github.com/refold/refold/schemas/api/refoldv1"
	"github.com/refold/refold/schemas/event"
	"github.com/refold/refold/streams/topic"
)

// failing counts the entries of customers, and fails at those of one while it is broken.
func failing(t *testing.T, customer string, broken *atomic.Bool) *projection.Definition {
	t.Helper()
	type posted struct {
		CustomerID string `avro:"customer_id"`
	}
	d, err := projection.Define(spending.Name, 1, projection.On(topic.Transactions, event.NameEntryPosted,
		func(e *posted, k *projection.Keys) { k.Add(e.CustomerID, "2024-01") },
		func(k projection.Key, r *spending.Row, _ *posted, _ projection.Meta) error {
			if k.Partition == customer && broken.Load() {
				return errors.New("the amount is bad")
			}
			r.Unknown++
			return nil
		}))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// parked returns the rows that stand still.
func (b *bank) parked(s refoldv1.ControlServiceServer) []*refoldv1.ParkedRow {
	b.t.Helper()
	resp, err := s.ListParked(b.t.Context(), &refoldv1.ListParkedRequest{Projection: spending.Name})
	if err != nil {
		b.t.Fatal(err)
	}
	return resp.GetRows()
}

func TestParkedRows(t *testing.T) {
	b, broken := newBank(t), new(atomic.Bool)
	broken.Store(true)
	s, stop := b.run(memory.New(), failing(t, "c2", broken))
	defer stop()
	b.post()
	b.post()
	if g := b.folded(s, spending.Name); g.GetParkedRows() != 1 || g.GetError() != "" || g.GetState() != refoldv1.GenerationState_GENERATION_STATE_LIVE {
		t.Errorf("got %v", g)
	}
	rows := b.parked(s)
	if len(rows) != 1 || rows[0].GetKey() != "c2/2024-01" || rows[0].GetReason() != "the amount is bad" || rows[0].GetRow() != "" || rows[0].GetSince() == nil {
		t.Fatalf("got %v", rows)
	}
	retry := &refoldv1.RetryParkedRequest{Projection: spending.Name, Key: "c2/2024-01"}
	again, err := s.RetryParked(t.Context(), retry)
	if err != nil || len(again.GetRows()) != 1 || !proto.Equal(again.GetRows()[0], rows[0]) {
		t.Errorf("got %v, %v", again, err)
	}
	if _, err := s.RetryParked(t.Context(), &refoldv1.RetryParkedRequest{Projection: spending.Name, Key: "c1/2024-01"}); !isRefusal(err) {
		t.Errorf("a row that is not parked: got %v", err)
	}
	discard := &refoldv1.DiscardParkedRequest{Projection: spending.Name, Key: "c2/2024-01", Reason: "it never was"}
	if discarded, err := s.DiscardParked(t.Context(), discard); err != nil || len(discarded.GetRows()) != 0 {
		t.Errorf("got %v, %v", discarded, err)
	}
	if rows := b.parked(s); len(rows) != 0 {
		t.Errorf("got %v", rows)
	}
}

func isRefusal(err error) bool {
	_, is := acts.IsRefusal(err)
	return is
}
