package acts_test

import (
	"testing"

	"github.com/refold/refold/projections/acts"
	"github.com/refold/refold/schemas/event"
)

func from(offset int64) func(*event.ActRecorded) {
	return func(a *event.ActRecorded) {
		a.Forced, a.Reason = true, "because"
		a.Positions = []event.TopicPosition{{Topic: "t", Partition: 1, Offset: offset}}
	}
}

func TestReignsFollowWhatIsLive(t *testing.T) {
	s := &acts.State{}
	for i, a := range []event.ActRecorded{
		act(created, 1, 0, from(5)), act(created, 2, 1, from(6)), act(promoted, 2, 1, from(7)), act(promoted, 1, 1, from(8)), // refused
		act(rolled, 2, 2, from(9)),
	} {
		s, _ = s.Fold(int64(i), a)
	}
	reigns := s.Projection("p").Reigns
	want := []struct{ generation, begins int64 }{{1, 5}, {2, 7}, {1, 9}}
	if len(reigns) != len(want) {
		t.Fatalf("got %v, want %v", reigns, want)
	}
	for i, w := range want {
		if r := reigns[i]; r.Generation != w.generation || r.Begins("t", 1) != w.begins || r.Begins("t", 0) != 0 {
			t.Errorf("reign %d: got %v, want %v", i, r, w)
		}
	}
}
