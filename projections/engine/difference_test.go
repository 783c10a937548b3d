package engine

import (
	"slices"
	"testing"

	"github.com/refold/refold/projections/store"
)

func TestFieldsThatDiffer(t *testing.T) {
	for _, c := range []struct {
		live, candidate string
		want            []Field
	}{
		{`{"A":1}`, `{"A":1}`, nil},
		{`{"A":1,"B":{"C":[1,2]}}`, `{"A":2,"B":{"C":[1,3,4]}}`, []Field{{"A", "1", "2"}, {"B.C[1]", "2", "3"}, {"B.C[2]", "", "4"}}},
		{`{"A":null}`, `{"A":{"B":1}}`, []Field{{"A", "null", `{"B":1}`}}},
		{`{"A":1}`, `{"B":1}`, []Field{{"A", "1", ""}, {"B", "", "1"}}},
		{`{"A":9007199254740993}`, `{"A":9007199254740992}`, []Field{{"A", "9007199254740993", "9007199254740992"}}},
		{``, `{"A":1}`, []Field{{"(row)", "", `{"A":1}`}}},
		{`[]`, `{}`, []Field{{"(row)", "[]", "{}"}}},
	} {
		got, err := fields(c.live, c.candidate)
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%s and %s: got %v, %v, want %v", c.live, c.candidate, got, err, c.want)
		}
	}
	if _, err := fields("{", "{}"); err == nil {
		t.Error("what is no JSON was compared")
	}
}

// A row that stands still is not the row that goes on, though both were folded to the same event.
func TestStandingStillIsPartOfARow(t *testing.T) {
	goesOn := pair{value: []byte("row")}
	parked := pair{value: []byte("row"), parked: &store.Parked{Position: 3}}
	if string(goesOn.whole()) == string(parked.whole()) {
		t.Error("they are alike")
	}
	later := pair{value: []byte("row"), parked: &store.Parked{Position: 4}}
	if string(later.whole()) == string(parked.whole()) {
		t.Error("rows that stand still since other events are alike")
	}
}
