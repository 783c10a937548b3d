package position

import (
	"errors"
	"testing"
)

func TestPageComesBack(t *testing.T) {
	want := Page{Generation: 3, Next: 1 << 40, Last: "a\x00b"}
	got, err := DecodePage(want.Encode([]byte("q")), []byte("q"))
	if err != nil || got != want {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
	if got, err := DecodePage("", []byte("q")); err != nil || got != (Page{}) {
		t.Errorf("got %+v, %v, want the page before the first", got, err)
	}
}

func TestPagesThatAreNone(t *testing.T) {
	good := Page{Generation: 1, Next: 2, Last: "x"}.Encode([]byte("q"))
	if _, err := DecodePage(good, []byte("r")); !errors.Is(err, ErrToken) {
		t.Errorf("another question: got %v, want ErrToken", err)
	}
	for _, bad := range []string{
		"x", "!", good[1:], good[:len(good)-1], "A" + good, good + "A", Token{}.Encode(),
		Page{Next: 2, Last: "x"}.Encode([]byte("q")), Page{Generation: 1, Next: 2}.Encode([]byte("q")),
	} {
		if got, err := DecodePage(bad, []byte("q")); !errors.Is(err, ErrToken) {
			t.Errorf("%q: got %+v, %v, want ErrToken", bad, got, err)
		}
	}
}
