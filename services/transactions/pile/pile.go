// Package pile keeps claims: what the records of a journal say of keys, entries and transfers, to be held
// against each other when all records are read.
//
// A map of all of them would not fit into memory. So claims have one size and lie in buckets by the digest of
// what they are about; a bucket fits, and is sorted when all are there. Buckets that have grown wait in files
// of a temporary folder.
//
//   - All claims about one thing are in one bucket, next to each other when it is sorted by digest, and then
//     in the order of the log.
//   - Memory is a buffer for each bucket while claims are added, and one bucket thereafter.
package pile

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

// Claim is what a record says of a thing. What Kind and Amount mean is the caller's.
type Claim struct {
	About     [16]byte
	Partition int32
	Offset    int64
	Kind      byte
	Currency  [3]byte
	Amount    int64
}

const (
	claimSize  = 16 + 4 + 8 + 1 + 3 + 8
	buckets    = 256
	bucketFull = 16 << 10 // bytes at which a bucket is written to its file
)

// Pile is all claims. The zero value is empty and ready to use, by one goroutine; it must be closed.
type Pile struct {
	buffers [buckets][]byte
	files   [buckets]*os.File // nil: nothing is written yet
	dir     string            // "" until the first file
}

// About names a thing within a scope and an owner, neither of which holds a zero byte.
func About(scope, owner, id string) [16]byte {
	b := make([]byte, 0, 128)
	b = append(append(b, scope...), 0)
	b = append(append(b, owner...), 0)
	sum := sha256.Sum256(append(b, id...))
	return [16]byte(sum[:16])
}

// Add adds a claim.
func (p *Pile) Add(c Claim) error {
	n := c.About[0]
	b := append(p.buffers[n], c.About[:]...)
	b = binary.BigEndian.AppendUint32(b, uint32(c.Partition))
	b = binary.BigEndian.AppendUint64(b, uint64(c.Offset))
	b = append(append(b, c.Kind), c.Currency[:]...)
	p.buffers[n] = binary.BigEndian.AppendUint64(b, uint64(c.Amount))
	if len(p.buffers[n]) < bucketFull {
		return nil
	}
	if err := p.spill(n); err != nil {
		return fmt.Errorf("keep what was said of keys and entries: %w", err)
	}
	return nil
}

// spill writes the buffer of a bucket to its file.
func (p *Pile) spill(n byte) (err error) {
	if p.dir == "" {
		if p.dir, err = os.MkdirTemp("", "refold-verify-"); err != nil {
			return err
		}
	}
	if p.files[n] == nil {
		if p.files[n], err = os.Create(filepath.Join(p.dir, fmt.Sprint(n))); err != nil {
			return err
		}
	}
	_, err = p.files[n].Write(p.buffers[n])
	p.buffers[n] = p.buffers[n][:0]
	return err
}

// Each calls fn for every thing, with all claims about it: by partition, offset and kind.
func (p *Pile) Each(fn func(same []Claim)) error {
	for n := range buckets {
		all := p.buffers[n]
		if f := p.files[n]; f != nil {
			stored, err := os.ReadFile(f.Name())
			if err != nil {
				return fmt.Errorf("read what was said of keys and entries: %w", err)
			}
			all = append(stored, all...)
		}
		sorted := decode(all)
		for len(sorted) > 0 {
			same := 1
			for same < len(sorted) && sorted[same].About == sorted[0].About {
				same++
			}
			fn(sorted[:same])
			sorted = sorted[same:]
		}
	}
	return nil
}

// decode returns the claims of a bucket, sorted.
func decode(b []byte) []Claim {
	out := make([]Claim, 0, len(b)/claimSize)
	for ; len(b) > 0; b = b[claimSize:] {
		out = append(out, Claim{
			About: [16]byte(b), Partition: int32(binary.BigEndian.Uint32(b[16:])), Offset: int64(binary.BigEndian.Uint64(b[20:])),
			Kind: b[28], Currency: [3]byte(b[29:]), Amount: int64(binary.BigEndian.Uint64(b[32:])),
		})
	}
	slices.SortFunc(out, func(a, b Claim) int {
		return cmp.Or(bytes.Compare(a.About[:], b.About[:]), cmp.Compare(a.Partition, b.Partition),
			cmp.Compare(a.Offset, b.Offset), cmp.Compare(a.Kind, b.Kind))
	})
	return out
}

// Close removes the temporary folder.
func (p *Pile) Close() error {
	if p.dir == "" {
		return nil
	}
	var problems []error
	for _, f := range p.files {
		if f != nil {
			problems = append(problems, f.Close())
		}
	}
	return errors.Join(append(problems, os.RemoveAll(p.dir))...)
}
