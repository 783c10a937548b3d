package engine_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/refold/refold/projections/engine"
	"github.com/refold/refold/projections/projection"
	"github.com/refold/refold/projections/spending"
	"github.com/refold/refold/projections/store/memory"
)

// queries ask for all rows of a partition until so many were answered, and hold every answer against its
// generation: the first one's rows have amounts, those of the second one none.
type queries struct {
	t       *testing.T
	e       *engine.Engine
	left    atomic.Int64
	answers [3]atomic.Int64 // by generation
}

func (q *queries) run() {
	row := mustRow(q.t)
	for n := q.left.Add(-1); n >= 0 && !q.t.Failed(); n = q.left.Add(-1) {
		v, err := q.e.View(q.t.Context(), engine.Query{Projection: spending.Name, Partition: int32(n % partitions)})
		if err != nil {
			q.t.Errorf("query %d: %v", n, err)
			return
		}
		rows := 0
		for c := range 10 {
			err := v.Scan(fmt.Sprint("c", c), "", "", func(_ projection.Key, value []byte) bool {
				var r spending.Row
				if _, err := projection.Decode(row, value, &r); err != nil {
					q.t.Error(err)
				}
				if nothing := r.Cells[0].AmountMinor == 0; nothing != (v.Generation == 2) {
					q.t.Errorf("query %d: generation %d answers with a row of the other: %+v", n, v.Generation, r)
				}
				rows++
				return true
			})
			if err != nil {
				q.t.Errorf("query %d: %v", n, err)
			}
		}
		if rows == 0 {
			q.t.Errorf("query %d of generation %d: no rows", n, v.Generation)
		}
		q.answers[v.Generation].Add(1)
		if err := v.Close(); err != nil {
			q.t.Error(err)
		}
	}
}

// PJ-11: of 10,000 queries sent while one generation is promoted and rolled back over and over, with traffic, none
// fails, and none is answered by two generations. What is in flight goes on with the generation it began with.
func TestPJ11QueriesAcrossPromotionAndRollback(t *testing.T) {
	b := newBank(t)
	stores := memory.New()
	e, stop := b.run(stores, spending.Definition())
	b.post(200)
	b.total(e)
	stop()
	e, stop = b.run(stores, spending.Definition(), changed(t, spending.Definition().Version+1))
	defer stop()
	b.total(e)
	op, err := e.Start(t.Context(), spending.Name, "tester", "")
	b.must(err)
	until(t, "it is verified", func() bool { return b.status(e, op).State == engine.Verified })
	held := b.view(e, 0, 0)
	q := &queries{t: t, e: e}
	q.left.Store(10_000)
	var asking sync.WaitGroup
	for range 4 {
		asking.Go(q.run)
	}
	flips := 0
	for ; q.left.Load() > 0 || flips < 2; flips++ {
		if flips%2 == 0 {
			b.must(e.Promote(t.Context(), op, "tester", "another fold", true))
		} else {
			b.must(e.Rollback(t.Context(), op, "tester", ""))
		}
		b.post(1)
	}
	asking.Wait()
	if held.Generation != 1 {
		t.Errorf("got generation %d", held.Generation)
	}
	if row, err := held.Load(projection.Key{Partition: "c1", Sort: "1970-01"}); held.Partition == 0 && err != nil {
		t.Errorf("a query that is in flight: got %q, %v", row, err)
	}
	b.must(held.Close())
	if q.answers[1].Load() == 0 || q.answers[2].Load() == 0 || flips < 2 {
		t.Errorf("%d and %d answers of the generations across %d flips", q.answers[1].Load(), q.answers[2].Load(), flips)
	}
	t.Logf("%d answers of generation 1, %d of generation 2, %d flips", q.answers[1].Load(), q.answers[2].Load(), flips)
}
