package position

import "testing"

// FuzzBody is FuzzDecode of tokens whose checksum is right, so that the fields are reached.
func FuzzBody(f *testing.F) {
	f.Add([]byte{1, 0, 0, 0})
	f.Add([]byte{1, 2, 1, 'l', 2, 1, 'a', 0, 5, 0, 1, 6})
	f.Fuzz(func(t *testing.T, body []byte) {
		text := seal(body)
		token, err := Decode(text)
		if err != nil {
			return
		}
		if got := token.Encode(); got != text {
			t.Errorf("got %q, want %q", got, text)
		}
		for p, offset := range token.Positions {
			if offset < 0 || p.Partition < 0 {
				t.Errorf("got offset %d of %v", offset, p)
			}
		}
	})
}
