package cassandra

import (
	"testing"

	"github.com/refold/refold/projections/store"
)

// A task lists a row that it parks before it goes on, at the position that it had saved: the list must not lose
// against the checkpoint before it.
func TestTheLaterOfTwoCheckpoints(t *testing.T) {
	parked := make([]store.Parked, 100)
	at := func(next int64, acts, n int) int64 {
		return timeOf(store.Checkpoint{Next: next, More: store.More{Acts: acts, Parked: parked[:n]}})
	}
	last := int64(1)
	for n, later := range []int64{at(0, 0, 0), at(0, 0, 1), at(0, 0, 100), at(0, 1, 0), at(0, 1, 7), at(1, 0, 0), at(1, 0, 1), at(1<<38-1, 5, 100)} {
		if later <= last {
			t.Errorf("checkpoint %d is not later than the one before: %d, %d", n, last, later)
		}
		last = later
	}
}
