package engine

import (
	"hash/maphash"
	"sync/atomic"

	"github.com/refold/refold/projections/store"
)

// base reads the stored rows of one task. A task that began with none reads no row that it has not written:
// none at all until it forgets rows, and then only those that the filter lets through.
type base struct {
	store     store.Store
	partition int32
	written   atomic.Pointer[filter] // of the keys written; nil where the task began with rows
	forgetful bool                   // rows were forgotten since the task began
}

// Load implements projection.Base.
func (b *base) Load(key []byte) ([]byte, error) {
	if !b.forgetful && b.written.Load() != nil || !b.mayHave(key) {
		return nil, nil
	}
	return b.store.Load(b.partition, key)
}

// mayHave tells whether a row can have been saved. Others than the task may ask.
func (b *base) mayHave(key []byte) bool {
	written := b.written.Load()
	return written == nil || written.has(key)
}

// wrote notes a key before its row is saved.
func (b *base) wrote(key []byte) {
	if written := b.written.Load(); written != nil {
		written.add(key)
	}
}

// isEmpty tells whether a task has no rows.
func isEmpty(s store.Store, partition int32) (bool, error) {
	empty := true
	err := s.Scan(partition, nil, nil, func(_, _ []byte) bool {
		empty = false
		return false
	})
	return empty, err
}

// filter is a Bloom filter of a fixed size: it may take a key for one that was added, and never the other way
// round. Half a megabyte keeps a million keys to one mistake in seven; with many more it is of no use, and
// costs no more memory.
// One adds to it while others look.
// Source: B. Bloom, Space/time trade-offs in hash coding with allowable errors, 1970.
type filter struct {
	seed maphash.Seed
	bits [filterBits / 64]uint64
}

const (
	filterBits  = 1 << 22
	filterTries = 4
)

func newFilter() *filter { return &filter{seed: maphash.MakeSeed()} }

// bit returns the nth bit of a key, by the two halves of its hash.
func bit(hash uint64, n int) (word uint64, mask uint64) {
	at := (hash + uint64(n)*(hash>>32|1)) % filterBits
	return at / 64, 1 << (at % 64)
}

func (f *filter) add(key []byte) {
	hash := maphash.Bytes(f.seed, key)
	for n := range filterTries {
		word, mask := bit(hash, n)
		atomic.OrUint64(&f.bits[word], mask)
	}
}

func (f *filter) has(key []byte) bool {
	hash := maphash.Bytes(f.seed, key)
	for n := range filterTries {
		word, mask := bit(hash, n)
		if atomic.LoadUint64(&f.bits[word])&mask == 0 {
			return false
		}
	}
	return true
}
