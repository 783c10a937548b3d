package projection

import (
	"bytes"
	"strings"
)

// Keys collects the keys of the rows that one event touches.
type Keys struct {
	buf  []byte
	ends []keyEnd
}

// keyEnd is where a key ends, and whether its row is a fresh one.
type keyEnd struct {
	at    int
	fresh bool
}

// Add adds the row of a partition key and a sort key. The partition key must not hold a zero byte. A key
// that was added already is not added again.
func (k *Keys) Add(partition, sort string) { k.add(partition, sort, false) }

// AddFresh is Add for a row that no event before this one has touched, as the event itself shows: a row that
// is numbered, say. It is not looked for among the stored rows, which would cost more than all else that is
// done with it.
func (k *Keys) AddFresh(partition, sort string) { k.add(partition, sort, true) }

func (k *Keys) add(partition, sort string, fresh bool) {
	start := len(k.buf)
	k.buf = append(k.buf, partition...)
	k.buf = append(k.buf, 0)
	k.buf = append(k.buf, sort...)
	for i := range k.ends {
		if bytes.Equal(k.encoded(i), k.buf[start:]) {
			k.buf = k.buf[:start]
			return
		}
	}
	k.ends = append(k.ends, keyEnd{len(k.buf), fresh})
}

func (k *Keys) reset() { k.buf, k.ends = k.buf[:0], k.ends[:0] }

func (k *Keys) encoded(i int) []byte {
	start := 0
	if i > 0 {
		start = k.ends[i-1].at
	}
	return k.buf[start:k.ends[i].at]
}

// Encode returns the stored form of a key: partition key, zero byte, sort key. Stored keys are in order
// of their partition keys, then of their sort keys.
func (k Key) Encode() []byte {
	b := make([]byte, 0, len(k.Partition)+1+len(k.Sort))
	b = append(b, k.Partition...)
	b = append(b, 0)
	return append(b, k.Sort...)
}

// DecodeKey is the opposite of Encode.
func DecodeKey(encoded string) Key {
	partition, sort, _ := strings.Cut(encoded, "\x00")
	return Key{Partition: partition, Sort: sort}
}
