package trail

import (
	"slices"
	"testing"

	"github.com/refold/refold/projections/projection"
)

func TestOffsetsComeBack(t *testing.T) {
	var r Row
	want := []int64{0, 1, 300, 70_000, 1 << 40}
	for i, offset := range want {
		if err := fold(projection.Key{}, &r, &concerning{RecordedAt: 1}, projection.Meta{Offset: offset}); err != nil {
			t.Fatal(err)
		}
		got, err := r.Offsets(nil)
		if err != nil || !slices.Equal(got, want[:i+1]) {
			t.Errorf("got %v, %v, want %v", got, err, want[:i+1])
		}
	}
	r.Deltas[0] = 0
	if got, err := r.Offsets(nil); err == nil {
		t.Errorf("damaged: got %v", got)
	}
}

func TestOf(t *testing.T) {
	for key, want := range map[string]string{"alice": "alice", "alice.main": "alice", "@world.0.EUR": "", "": ""} {
		if got, ok := Of(key); ok != (want != "") || ok && got != want {
			t.Errorf("%q: got %q, %t, want %q", key, got, ok, want)
		}
	}
}
