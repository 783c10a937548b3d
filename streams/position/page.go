package position

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
)

// Page is where a page of a listing ended. The zero Page is before the first.
type Page struct {
	// Generation is the one that all pages are read from, and Next the position of this one.
	Generation, Next int64
	// Last is what the last line of the page is known by. It is not empty.
	Last string
}

const pageVersion = 1

// Encode returns the token of a page: letters, digits, underscore and hyphen. It is a token of one question
// only, which is given as the bytes that tell it from others.
func (p Page) Encode(question []byte) string {
	b := []byte{pageVersion}
	b = binary.AppendUvarint(b, uint64(p.Generation))
	b = binary.AppendUvarint(b, uint64(p.Next))
	b = append(b, p.Last...)
	b = binary.BigEndian.AppendUint32(b, pageSum(b, question))
	return base64.RawURLEncoding.EncodeToString(b)
}

// DecodePage returns the page of a token, the zero Page for "". A token that was changed, or is one of
// another question, is ErrToken.
func DecodePage(token string, question []byte) (Page, error) {
	if token == "" {
		return Page{}, nil
	}
	b, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil || len(b) < 1+sumSize || b[0] != pageVersion {
		return Page{}, fmt.Errorf("%w: it is no page token", ErrToken)
	}
	body, sum := b[:len(b)-sumSize], binary.BigEndian.Uint32(b[len(b)-sumSize:])
	if pageSum(body, question) != sum {
		return Page{}, fmt.Errorf("%w: it is a page token of another question", ErrToken)
	}
	r := reader{b: body[1:]}
	p := Page{Generation: r.number(math.MaxInt64), Next: r.number(math.MaxInt64), Last: string(r.b)}
	if r.failed || p.Generation == 0 || p.Last == "" {
		return Page{}, fmt.Errorf("%w: its fields are wrong", ErrToken)
	}
	return p, nil
}

// pageSum sums up a page token and what it is a token of.
func pageSum(body, question []byte) uint32 { return checksum(slices.Concat(body, []byte{0}, question)) }
