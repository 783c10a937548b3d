package projection

import "hash/maphash"

// index finds rows in memory by their keys. It is an open hash table whose entries hold the hash beside the
// row, so that to find a row takes the entry and the row and nothing between: with rows that do not fit into
// the processor's caches, what counts is how many places are looked at. Nothing is ever taken out of it.
type index[R any] struct {
	seed    maphash.Seed
	entries []entry[R] // a power of two of them, or none
	n       int
}

type entry[R any] struct {
	hash uint64
	slot *slot[R] // nil where there is none
}

func newIndex[R any](seed maphash.Seed) index[R] { return index[R]{seed: seed} }

func (x *index[R]) hash(key []byte) uint64 { return maphash.Bytes(x.seed, key) }

// find returns the row of a key, or nil.
func (x *index[R]) find(hash uint64, key []byte) *slot[R] {
	if x.n == 0 {
		return nil
	}
	mask := uint64(len(x.entries) - 1)
	for i := hash & mask; ; i = (i + 1) & mask {
		e := &x.entries[i]
		if e.slot == nil {
			return nil
		}
		if e.hash == hash && e.slot.key == string(key) {
			return e.slot
		}
	}
}

// put adds a row whose key is not there.
func (x *index[R]) put(hash uint64, s *slot[R]) {
	if 4*x.n >= 3*len(x.entries) {
		x.grow()
	}
	x.place(hash, s)
	x.n++
}

func (x *index[R]) place(hash uint64, s *slot[R]) {
	mask := uint64(len(x.entries) - 1)
	i := hash & mask
	for x.entries[i].slot != nil {
		i = (i + 1) & mask
	}
	x.entries[i] = entry[R]{hash, s}
}

func (x *index[R]) grow() {
	old := x.entries
	x.entries = make([]entry[R], max(64, 2*len(old)))
	for _, e := range old {
		if e.slot != nil {
			x.place(e.hash, e.slot)
		}
	}
}
