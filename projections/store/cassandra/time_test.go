package cassandra

import (
	"errors"
	"math"
	"testing"

	"github.com/refold/refold/projections/store"
)

var errFilled = errors.New("it would be written")

// The time of a checkpoint grows with its position, the acts it has followed and the rows it lists, up to the last
// position that there is room for; one beyond is refused, and would otherwise lose to all before it.
func TestTimesOfCheckpointsGrow(t *testing.T) {
	parked := []store.Parked{{}}
	last := int64(0)
	for _, c := range []store.Checkpoint{
		{}, {Next: 1}, {Next: 1, More: store.More{Parked: parked}}, {Next: 1, More: store.More{Acts: 1}},
		{Next: 1, More: store.More{Acts: math.MaxInt32, Parked: make([]store.Parked, 1000)}}, {Next: 2},
		{Next: lastCheckpoint}, {Next: lastCheckpoint, More: store.More{Acts: math.MaxInt32, Parked: make([]store.Parked, 1000)}},
	} {
		at := timeOf(c)
		if at <= last || at == math.MaxInt64 {
			t.Errorf("position %d, %d acts, %d parked: got %d after %d", c.Next, c.Acts, len(c.Parked), at, last)
		}
		last = at
	}
	r := &rows{reader: reader{stores: &Stores{}}}
	fill := func(store.Writer) error { return errFilled }
	if err := r.Save(0, store.Checkpoint{Next: lastCheckpoint}, fill); !errors.Is(err, errFilled) {
		t.Errorf("the last position: got %v", err)
	}
	if err := r.Save(0, store.Checkpoint{Next: lastCheckpoint + 1}, fill); err == nil || errors.Is(err, errFilled) {
		t.Errorf("beyond the last position: got %v", err)
	}
}
