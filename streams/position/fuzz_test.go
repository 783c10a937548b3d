package position

import (
	"encoding/base64"
	"encoding/binary"
	"testing"
)

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

// FuzzPageToken reads any text as a page token: what is one is a page that is read from it again, and it is of no
// other question.
func FuzzPageToken(f *testing.F) {
	f.Add(Page{Generation: 1, Next: 5, Last: "x"}.Encode([]byte("q")))
	f.Add("AQ")
	f.Fuzz(checkPage)
}

// FuzzPage is FuzzPageToken with a checksum that is right, so that the fields are reached.
func FuzzPage(f *testing.F) {
	f.Add([]byte{pageVersion, 1, 5, 'x'})
	f.Fuzz(func(t *testing.T, body []byte) {
		checkPage(t, base64.RawURLEncoding.EncodeToString(binary.BigEndian.AppendUint32(body, pageSum(body, []byte("q")))))
	})
}

func checkPage(t *testing.T, token string) {
	t.Helper()
	p, err := DecodePage(token, []byte("q"))
	if err != nil || token == "" {
		return
	}
	if p.Generation <= 0 || p.Next < 0 || p.Last == "" {
		t.Errorf("got %+v", p)
	}
	if again, err := DecodePage(p.Encode([]byte("q")), []byte("q")); err != nil || again != p {
		t.Errorf("got %+v, %v, want %+v", again, err, p)
	}
	if _, err := DecodePage(token, []byte("r")); err == nil {
		t.Error("it is taken for a token of another question")
	}
}
