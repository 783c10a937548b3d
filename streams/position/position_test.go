package position

import (
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"math"
	"strings"
	"testing"
)

func tokens() map[string]Token {
	return map[string]Token{
		"empty": {},
		"one":   {Positions: Vector{{"bank.transactions", 3}: 4711}},
		"all": {Generation: 7, LogID: "restored-2", Positions: Vector{
			{"bank.transactions", 0}: 0, {"bank.transactions", 11}: math.MaxInt64,
			{"bank.logins", 2}: 5, {"a", math.MaxInt32}: 1,
		}},
	}
}

func TestTokenIsReadAsWritten(t *testing.T) {
	for name, want := range tokens() {
		t.Run(name, func(t *testing.T) {
			got, err := Decode(want.Encode())
			if err != nil {
				t.Fatal(err)
			}
			if got.Generation != want.Generation || got.LogID != want.LogID || !maps.Equal(got.Positions, want.Positions) {
				t.Errorf("got %+v, want %+v", got, want)
			}
			if len(got.Encode()) > 0 && got.Encode() != want.Encode() {
				t.Errorf("encoded again %q, want %q", got.Encode(), want.Encode())
			}
		})
	}
}

func TestTokenOfOnePartitionIsShort(t *testing.T) {
	got := tokens()["one"].Encode()
	if len(got) > 44 {
		t.Errorf("got %d characters (%s), want at most 44", len(got), got)
	}
}

func TestChangedTokenIsRefused(t *testing.T) {
	good := tokens()["all"].Encode()
	bad := map[string]string{
		"empty": "", "cut": good[:len(good)-1], "longer": good + "A", "spaces": " " + good,
		"padding": good + "=", "huge": strings.Repeat("A", maxEncoded+1),
		"newer":      seal([]byte{2, 0, 0, 0}),
		"no count":   seal([]byte{1, 0, 0}),
		"leftover":   seal([]byte{1, 0, 0, 0, 9}),
		"unsorted":   seal([]byte{1, 0, 0, 2, 1, 'b', 0, 1, 1, 'a', 0, 1}),
		"twice":      seal([]byte{1, 0, 0, 2, 1, 'a', 0, 1, 0, 0, 1}),
		"negative":   Token{Positions: Vector{{"a", 0}: -1}}.Encode(),
		"partition":  Token{Positions: Vector{{"a", -1}: 1}}.Encode(),
		"generation": Token{Generation: -1}.Encode(),
	}
	for i := range good {
		other := byte('A')
		if good[i] == other {
			other = 'B'
		}
		bad[fmt.Sprintf("character %d changed", i)] = good[:i] + string(other) + good[i+1:]
	}
	for name, text := range bad {
		if _, err := Decode(text); !errors.Is(err, ErrToken) {
			t.Errorf("%s: got error %v, want ErrToken", name, err)
		}
	}
}

// seal makes a token of a body that Encode would not write.
func seal(body []byte) string {
	sum := checksum(body)
	return base64.RawURLEncoding.EncodeToString(append(body, byte(sum>>24), byte(sum>>16), byte(sum>>8), byte(sum)))
}

func TestVectors(t *testing.T) {
	a, b, c := Partition{"t", 0}, Partition{"t", 1}, Partition{"u", 0}
	low, high := Vector{a: 1, b: 5}, Vector{a: 2, b: 5, c: 1}
	for _, x := range []struct {
		name string
		got  bool
		want bool
	}{
		{"higher covers lower", high.Covers(low), true},
		{"lower does not cover higher", low.Covers(high), false},
		{"itself", low.Covers(low), true},
		{"nothing asks for nothing", Vector(nil).Covers(nil), true},
		{"a partition is missing", Vector{a: 9}.Covers(Vector{b: 0}), false},
	} {
		if x.got != x.want {
			t.Errorf("%s: got %v, want %v", x.name, x.got, x.want)
		}
	}
	got, want := Vector{a: 3, b: 1}.Merge(high), Vector{a: 3, b: 5, c: 1}
	if !maps.Equal(got, want) {
		t.Errorf("merge: got %v, want %v", got, want)
	}
	if !maps.Equal(high, Vector{a: 2, b: 5, c: 1}) {
		t.Errorf("merge changed its argument: %v", high)
	}
}

// FuzzDecode: whatever is decoded has that one spelling, and nothing panics.
func FuzzDecode(f *testing.F) {
	for _, token := range tokens() {
		f.Add(token.Encode())
	}
	f.Add("")
	f.Add(seal([]byte{1, 0, 0, 200, 1}))
	f.Fuzz(func(t *testing.T, text string) {
		token, err := Decode(text)
		if err != nil {
			if !errors.Is(err, ErrToken) {
				t.Errorf("got error %v, want ErrToken", err)
			}
			return
		}
		if got := token.Encode(); got != text {
			t.Errorf("got %q, want %q", got, text)
		}
	})
}

func BenchmarkEncode(b *testing.B) {
	token := Token{Positions: Vector{{"bank.transactions", 3}: 4711}}
	b.ReportAllocs()
	for b.Loop() {
		token.Encode()
	}
}
