package preferences

import (
	"fmt"
	"testing"

	"github.com/refold/refold/projections/harness"
	"github.com/refold/refold/projections/projection"
)

func TestMain(m *testing.M) { harness.Main(m) }

func TestScripts(t *testing.T) { harness.Scripts(t, Definition()) }

func TestARowRemembersTheLastSettings(t *testing.T) {
	var r Row
	for n := range int64(Remembered + 3) {
		if err := fold(projection.Key{}, &r, &set{EventID: fmt.Sprint(n + 1), Revision: n + 1}, projection.Meta{}); err != nil {
			t.Fatal(err)
		}
	}
	if len(r.Set) != Remembered || r.Revision != Remembered+3 {
		t.Errorf("got %d settings at revision %d", len(r.Set), r.Revision)
	}
	if _, ok := r.Counted("3"); ok {
		t.Error("the third is remembered still")
	}
	if s, ok := r.Counted("4"); !ok || s.EventID != "4" {
		t.Errorf("got %+v, %t, want the fourth", s, ok)
	}
}
