package cassandra

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/refold/refold/projections/store"
)

// The rows of the benchmarks are of a size that read models have: a key of 22 bytes and a value of 120.
const valueBytes = 120

func benched(b *testing.B) store.Store {
	b.Helper()
	s, err := open(b, config(b, positionOf)).Open(store.Generation{Projection: "bench", Number: 1})
	if err != nil {
		b.Fatal(err)
	}
	return s
}

// fill saves rows of some customers, ten each, at a position.
func fill(s store.Store, from, to int, position int64) error {
	value := append(at(position), make([]byte, valueBytes-8)...)
	return s.Save(0, store.Checkpoint{Next: position + 1}, func(w store.Writer) error {
		for i := from; i < to; i++ {
			binary.BigEndian.PutUint64(value[8:], uint64(i))
			if err := w.Set(key(i), value); err != nil {
				return err
			}
		}
		return nil
	})
}

func key(i int) []byte { return fmt.Appendf(nil, "customer-%06d\x00%06d", i/10, i%10) }

// BenchmarkSave saves as many rows at once as a task does that rebuilds, or follows a busy log.
func BenchmarkSave(b *testing.B) {
	for _, n := range []int{500, 20_000} {
		for _, readers := range []int{0, 1} {
			b.Run(fmt.Sprintf("rows=%d/snapshots=%d", n, readers), func(b *testing.B) {
				s := benched(b)
				position, rows := int64(0), 0
				for b.Loop() {
					snapshots := make([]store.Snapshot, readers)
					for i := range snapshots {
						snapshots[i], _ = s.Snapshot()
					}
					position++
					if err := fill(s, 0, n, position); err != nil {
						b.Fatal(err)
					}
					rows += n
					for _, snapshot := range snapshots {
						_ = snapshot.Close()
					}
				}
				b.ReportMetric(float64(rows)/b.Elapsed().Seconds(), "rows/s")
			})
		}
	}
}

// BenchmarkLoad loads rows one by one, and reports how long the slowest in a hundred took.
func BenchmarkLoad(b *testing.B) {
	s := benched(b)
	const n = 100_000
	if err := fill(s, 0, n, 1); err != nil {
		b.Fatal(err)
	}
	random := rand.New(rand.NewPCG(1, 2))
	var took []time.Duration
	for b.Loop() {
		began := time.Now()
		v, err := s.Load(0, key(random.IntN(n)))
		if err != nil || len(v) != valueBytes {
			b.Fatalf("got %d bytes, %v", len(v), err)
		}
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)*50/100].Microseconds()), "p50-µs")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
}

// BenchmarkScan reads a whole task in order, as a comparison of two generations does.
func BenchmarkScan(b *testing.B) {
	s := benched(b)
	const n = 200_000
	if err := fill(s, 0, n, 1); err != nil {
		b.Fatal(err)
	}
	rows := 0
	for b.Loop() {
		if err := s.Scan(0, nil, nil, func(_, _ []byte) bool { rows++; return true }); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(rows)/b.Elapsed().Seconds(), "rows/s")
}
