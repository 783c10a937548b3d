// Package digest sums up the rows of a task, so that two generations can be told to be the same without being
// looked through, and where they are not, in which part of their keys.
//
// Keys fall into buckets by their checksum. The digest of a bucket is the first 128 bits of a SHA-256 over its
// rows in order of their keys, each with its lengths before it. It depends on the rows alone: not on when and
// in which order they were folded or written.
package digest

import (
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"hash/crc32"
)

// Buckets is how many buckets the keys of a task fall into.
const Buckets = 64

// Sum is the digest of a bucket; zero where it has no row.
type Sum [16]byte

// Task sums up the rows of one task. The zero value has no rows. It is used by one goroutine at a time.
type Task struct {
	buckets [Buckets]hash.Hash
	rows    int64
	head    [8]byte
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Bucket returns the bucket of a row's encoded key.
func Bucket(key []byte) int { return int(crc32.Checksum(key, castagnoli) % Buckets) }

// Add adds a row. Rows are added in order of their encoded keys, each once.
func (t *Task) Add(key, value []byte) {
	h := t.buckets[Bucket(key)]
	if h == nil {
		h = sha256.New()
		t.buckets[Bucket(key)] = h
	}
	binary.BigEndian.PutUint32(t.head[:4], uint32(len(key)))
	binary.BigEndian.PutUint32(t.head[4:], uint32(len(value)))
	h.Write(t.head[:])
	h.Write(key)
	h.Write(value)
	t.rows++
}

// Rows returns how many rows were added.
func (t *Task) Rows() int64 { return t.rows }

// Sums returns the digests of the rows added so far, by bucket.
func (t *Task) Sums() (out [Buckets]Sum) {
	for i, h := range t.buckets {
		if h != nil {
			var full [sha256.Size]byte
			copy(out[i][:], h.Sum(full[:0]))
		}
	}
	return out
}
