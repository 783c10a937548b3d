package reports

import (
	"encoding/base64"
	"encoding/binary"
	"testing"

	"github.com/refold/refold/schemas/api/bankv1"
)

// FuzzPageToken reads any text as a page token: what is one is a page that is read from it again, and it is of no
// other statement.
func FuzzPageToken(f *testing.F) {
	r := &bankv1.ListEntriesRequest{AccountId: "c1.main"}
	f.Add(page{generation: 1, next: 5, last: "x"}.encode(r))
	f.Add("AQ")
	f.Fuzz(func(t *testing.T, token string) { checkPage(t, token, r) })
}

// FuzzPage is FuzzPageToken with a checksum that is right, so that the fields are reached.
func FuzzPage(f *testing.F) {
	r := &bankv1.ListEntriesRequest{AccountId: "c1.main"}
	f.Add([]byte{pageVersion, 1, 5, 'x'})
	f.Fuzz(func(t *testing.T, body []byte) {
		checkPage(t, base64.RawURLEncoding.EncodeToString(binary.BigEndian.AppendUint32(body, checksum(body, r))), r)
	})
}

func checkPage(t *testing.T, token string, r *bankv1.ListEntriesRequest) {
	t.Helper()
	p, err := decodePage(token, r)
	if err != nil || token == "" {
		return
	}
	if p.generation <= 0 || p.next < 0 || p.last == "" {
		t.Errorf("got %+v", p)
	}
	if again, err := decodePage(p.encode(r), r); err != nil || again != p {
		t.Errorf("got %+v, %v, want %+v", again, err, p)
	}
	if _, err := decodePage(token, &bankv1.ListEntriesRequest{AccountId: "c1.other"}); err == nil {
		t.Error("it is taken for a token of another account")
	}
}
