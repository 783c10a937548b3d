// Package position says how far something has read, or how far a reader must be: a vector of next offsets,
// and the token that carries one to a client and back.
//
// A token is opaque to whoever holds it: one meaning has one spelling, a changed or torn one is refused,
// and its version is its first byte, so that a later build can write more and still read this.
package position

import (
	"cmp"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"slices"
	"strings"
)

// ErrToken is wrapped where a text is no token: it was cut, changed, or written by a newer version. The
// caller answers that the argument is invalid; retrying does not help.
var ErrToken = errors.New("not a position token")

// Partition is a partition of a topic.
type Partition struct {
	Topic     string
	Partition int32
}

func (p Partition) String() string { return fmt.Sprintf("%s/%d", p.Topic, p.Partition) }

// Vector maps partitions to the next offset to be read, which is never negative. A partition that is not in
// it has no bound. The nil vector is empty.
type Vector map[Partition]int64

// Covers reports whether v is at or beyond o in every partition of o.
func (v Vector) Covers(o Vector) bool {
	for p, offset := range o {
		if at, ok := v[p]; !ok || at < offset {
			return false
		}
	}
	return true
}

// Merge returns the smallest vector that covers both. It changes neither.
func (v Vector) Merge(o Vector) Vector {
	out := make(Vector, len(v)+len(o))
	for _, from := range [2]Vector{v, o} {
		for p, offset := range from {
			if at, ok := out[p]; !ok || at < offset {
				out[p] = offset
			}
		}
	}
	return out
}

// Token is a vector with what it is a vector of.
type Token struct {
	// Generation is the generation of rows that the token was read from, 0 where it speaks of a log alone.
	Generation int64
	// LogID names the log that the offsets count, "" for the log that topics were created with.
	LogID string
	// Positions are the next offsets.
	Positions Vector
}

const (
	version = 1
	// maxEncoded bounds the text of a token that Decode looks at, in bytes.
	maxEncoded = 64 << 10
	sumSize    = 4
)

// Encode returns the text of a token: letters, digits, underscore and hyphen. Generation, partition
// numbers and offsets must not be negative; a token that breaks this cannot be decoded.
func (t Token) Encode() string {
	b := make([]byte, 0, 64)
	b = append(b, version)
	b = binary.AppendUvarint(b, uint64(t.Generation))
	b = appendString(b, t.LogID)
	b = binary.AppendUvarint(b, uint64(len(t.Positions)))
	topic := ""
	for _, p := range t.Positions.sorted() {
		// A topic that repeats is written as the empty string.
		if p.Topic == topic {
			b = appendString(b, "")
		} else {
			b = appendString(b, p.Topic)
		}
		topic = p.Topic
		b = binary.AppendUvarint(b, uint64(p.Partition))
		b = binary.AppendUvarint(b, uint64(t.Positions[p]))
	}
	b = binary.BigEndian.AppendUint32(b, checksum(b))
	return base64.RawURLEncoding.EncodeToString(b)
}

func (v Vector) sorted() []Partition {
	out := make([]Partition, 0, len(v))
	for p := range v {
		out = append(out, p)
	}
	slices.SortFunc(out, func(a, b Partition) int {
		return cmp.Or(strings.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition))
	})
	return out
}

func appendString(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func checksum(b []byte) uint32 { return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) }

// Decode returns the token of a text that Encode wrote. Every other text is ErrToken.
func Decode(s string) (Token, error) {
	if len(s) > maxEncoded {
		return Token{}, fmt.Errorf("%w: %d bytes are too many", ErrToken, len(s))
	}
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil || len(b) < 1+sumSize {
		return Token{}, fmt.Errorf("%w: it is cut or holds other characters", ErrToken)
	}
	body, sum := b[:len(b)-sumSize], binary.BigEndian.Uint32(b[len(b)-sumSize:])
	if checksum(body) != sum {
		return Token{}, fmt.Errorf("%w: its checksum is wrong", ErrToken)
	}
	if body[0] != version {
		return Token{}, fmt.Errorf("%w: version %d is unknown", ErrToken, body[0])
	}
	r := reader{b: body[1:]}
	t := r.token()
	if r.failed || len(r.b) != 0 || t.Encode() != s {
		return Token{}, fmt.Errorf("%w: its fields are wrong", ErrToken)
	}
	return t, nil
}

// Wanted returns the offset of a partition that a token of the log that topics were created with asks for; 0
// where it asks for none, or is "". Every other text is ErrToken.
func Wanted(token string, p Partition) (int64, error) {
	if token == "" {
		return 0, nil
	}
	t, err := Decode(token)
	if err == nil && t.LogID != "" {
		err = fmt.Errorf("%w: it is a position of another log", ErrToken)
	}
	return t.Positions[p], err
}

// reader takes fields off b. After the first failure it gives zeros.
type reader struct {
	b      []byte
	failed bool
}

func (r *reader) token() Token {
	t := Token{Generation: r.number(math.MaxInt64), LogID: r.text()}
	n := r.number(int64(len(r.b)))
	if n > 0 {
		t.Positions = make(Vector, n)
	}
	var p Partition
	for range n {
		if topic := r.text(); topic != "" {
			p.Topic = topic
		}
		p.Partition = int32(r.number(math.MaxInt32))
		t.Positions[p] = r.number(math.MaxInt64)
	}
	return t
}

func (r *reader) number(limit int64) int64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 || v > uint64(limit) {
		r.failed, r.b = true, nil
		return 0
	}
	r.b = r.b[n:]
	return int64(v)
}

func (r *reader) text() string {
	n := r.number(int64(len(r.b)))
	if n > int64(len(r.b)) {
		r.failed, r.b = true, nil
		return ""
	}
	s := string(r.b[:n])
	r.b = r.b[n:]
	return s
}
