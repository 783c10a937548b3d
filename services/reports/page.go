package reports

import (
	"encoding/base64"
	"encoding/binary"
	"hash/crc32"
	"math"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/refold/refold/schemas/api/bankv1"
)

// page is where a page of a statement ended. The zero page is before the first.
type page struct {
	// generation is the one that all pages are read from, and next the position of this one.
	generation, next int64
	// last is the sort key of the last line.
	last string
}

// A page token is a version, generation, position and sort key, and a checksum over these and the question.
// So a token of another account or span of time is refused like one that was changed.
const (
	pageVersion = 1
	sumSize     = 4
)

// encode returns the token of a page. It holds no zero generation.
func (p page) encode(r *bankv1.ListEntriesRequest) string {
	b := []byte{pageVersion}
	b = binary.AppendUvarint(b, uint64(p.generation))
	b = binary.AppendUvarint(b, uint64(p.next))
	b = append(b, p.last...)
	b = binary.BigEndian.AppendUint32(b, checksum(b, r))
	return base64.RawURLEncoding.EncodeToString(b)
}

// decodePage returns the page of a token, the zero page for "".
func decodePage(token string, r *bankv1.ListEntriesRequest) (page, error) {
	if token == "" {
		return page{}, nil
	}
	bad := wrong(ReasonBadToken, "page_token", "is not a token of this statement: begin with the first page")
	b, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil || len(b) < 1+sumSize || b[0] != pageVersion {
		return page{}, bad
	}
	body, sum := b[:len(b)-sumSize], binary.BigEndian.Uint32(b[len(b)-sumSize:])
	if checksum(body, r) != sum {
		return page{}, bad
	}
	generation, n := binary.Uvarint(body[1:])
	if n <= 0 || generation == 0 || generation > math.MaxInt64 {
		return page{}, bad
	}
	next, m := binary.Uvarint(body[1+n:])
	last := body[1+n+max(m, 0):]
	if m <= 0 || next > math.MaxInt64 || len(last) == 0 {
		return page{}, bad
	}
	return page{generation: int64(generation), next: int64(next), last: string(last)}, nil
}

// checksum sums up a token and what it is a token of.
func checksum(body []byte, r *bankv1.ListEntriesRequest) uint32 {
	b := append([]byte(nil), body...)
	b = append(append(b, 0), r.GetAccountId()...)
	for _, t := range []*timestamppb.Timestamp{r.GetFrom(), r.GetTo()} {
		if t == nil {
			b = append(b, 0)
			continue
		}
		b = binary.BigEndian.AppendUint64(append(b, 1), uint64(t.GetSeconds()))
		b = binary.BigEndian.AppendUint32(b, uint32(t.GetNanos()))
	}
	return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli))
}
