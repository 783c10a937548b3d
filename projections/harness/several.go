package harness

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/refold/refold/projections/engine"
	"github.com/refold/refold/streams/timeline"
	"github.com/refold/refold/streams/topic"
)

// waysOfSeveral returns the ways of folding the records of several sources. In which order those of one come among
// those of another depends on how they are read, so that every way has its own rows.
func waysOfSeveral() map[string]func(*testing.T, run, []*timeline.Record) {
	all := map[string]func(*testing.T, run, []*timeline.Record){
		"all at once":                func(t *testing.T, r run, records []*timeline.Record) { growing(t, r, records, len(records)) },
		"one source after the other": sourceAfterSource,
		"twice": func(t *testing.T, r run, records []*timeline.Record) {
			oneByOne(t, r, records)
			oneByOne(t, r, records)
		},
		"batches of any size":           growingAtRandom,
		"a stop at every record":        stopAtEvery,
		"a crash at every record":       crashAtEvery,
		"rows kept and checkpoint lost": func(t *testing.T, r run, records []*timeline.Record) { loseAtEvery(t, r, records, r.store.Forget) },
		"rows and checkpoint lost":      func(t *testing.T, r run, records []*timeline.Record) { loseAtEvery(t, r, records, r.store.Wipe) },
		"two instances":                 handedOver,
		"next to no memory":             func(t *testing.T, r run, records []*timeline.Record) { r.maxRows = 1; growing(t, r, records, 1) },
	}
	for _, n := range []int{1, 2, 3, 5, 8} {
		all[fmt.Sprintf("%d more at a time", n)] = func(t *testing.T, r run, records []*timeline.Record) { growing(t, r, records, n) }
	}
	for name, fault := range map[string]engine.Fault{"refused": engine.Refused, "unheard": engine.Unanswered, "torn": engine.Torn} {
		all["a crash in every "+name+" release"] = func(t *testing.T, r run, records []*timeline.Record) { crashInRelease(t, r, records, fault) }
		all["every release is "+name+" once"] = func(t *testing.T, r run, records []*timeline.Record) { failOnce(t, r, records, fault) }
	}
	return all
}

// runSeveral folds the records in every way, and then once more from nothing.
func runSeveral(t *testing.T, fresh func() run, records []*timeline.Record) {
	t.Helper()
	for name, way := range waysOfSeveral() {
		t.Run(name, func(t *testing.T) {
			r := fresh()
			way(t, r, records)
			rows, told := r.rows(t), r.told(t)
			if rows == "" {
				t.Fatal("the records make no rows")
			}
			again, first := r, fresh()
			again.store = fresh().store
			first.effects = r.effects.Only(topic.Rounds)
			var o *engine.Offline
			for _, run := range []run{again, first} {
				o = run.open(t)
				fold(t, o, records)
				save(t, o)
			}
			if got := first.told(t); got != told {
				t.Errorf("got effects\n%swant what is told of the same rounds at once\n%s", told, got)
			}
			if got := again.rows(t); got != rows {
				t.Errorf("folded again from nothing, got rows\n%swant\n%s", got, rows)
			}
			if got := r.told(t); got != told {
				t.Errorf("folded again from nothing, got effects\n%swant\n%s", got, told)
			}
			if o.Next() != next(records) {
				t.Errorf("folded to %d, want %d", o.Next(), next(records))
			}
		})
	}
}

// next returns the position at which everything is folded.
func next(records []*timeline.Record) (sum int64) {
	for _, b := range batches(records) {
		sum += b.Next
	}
	return sum
}

// growing reads n records more at a time.
func growing(t *testing.T, r run, records []*timeline.Record, n int) {
	t.Helper()
	o := r.open(t)
	for i := 0; i < len(records); {
		i = min(i+n, len(records))
		fold(t, o, records[:i])
		save(t, o)
	}
}

func growingAtRandom(t *testing.T, r run, records []*timeline.Record) {
	t.Helper()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	o := r.open(t)
	for i := 0; i < len(records); {
		i += 1 + random.IntN(len(records)-i)
		fold(t, o, records[:i])
		if random.IntN(2) == 0 {
			save(t, o)
		}
	}
	save(t, o)
}

// sourceAfterSource reads each source to its end before the next one.
func sourceAfterSource(t *testing.T, r run, records []*timeline.Record) {
	t.Helper()
	o := r.open(t)
	for _, b := range batches(records) {
		fold(t, o, slices.Clone(b.Records))
		save(t, o)
	}
}

func stopAtEvery(t *testing.T, r run, records []*timeline.Record) {
	t.Helper()
	for i := range records {
		o := r.open(t)
		fold(t, o, records[:i+1])
		save(t, o)
	}
}

func crashAtEvery(t *testing.T, r run, records []*timeline.Record) {
	t.Helper()
	for i := range records {
		for range 2 { // the first is never saved, the second crashes when it has released
			fold(t, r.open(t), records[:i+1])
		}
		o := r.open(t)
		fold(t, o, records[:i+1])
		if err := o.Release(); err != nil {
			t.Fatal(err)
		}
		if i%2 == 0 {
			save(t, o)
		}
	}
	growing(t, r, records, len(records))
}

func loseAtEvery(t *testing.T, r run, records []*timeline.Record, lose func(int32)) {
	t.Helper()
	for i := range records {
		o := r.open(t)
		fold(t, o, records[:i+1])
		save(t, o)
		lose(r.partition)
	}
	growing(t, r, records, len(records))
}

// handedOver has the partition go from one instance to another with every record. The one that has lost it folds on,
// in its own order, and what it would release is refused.
func handedOver(t *testing.T, r run, records []*timeline.Record) {
	t.Helper()
	loser := r.open(t)
	for i := range records {
		holder := r.open(t)
		fold(t, holder, records[:i+1])
		if err := holder.Release(); err != nil {
			t.Fatal(err)
		}
		fold(t, loser, records)
		r.effects.Next = []engine.Fault{engine.Refused}
		if err := loser.Release(); err == nil && i > 0 {
			t.Error("a round was logged by one who had lost the partition")
		}
		r.effects.Next = nil
		save(t, holder)
		loser = holder
	}
}

// crashInRelease releases after every record, with a fault, and loses what was not saved.
func crashInRelease(t *testing.T, r run, records []*timeline.Record, fault engine.Fault) {
	t.Helper()
	for i := range records {
		for nth := range 2 { // in the transaction of the rounds, and in that of the effects
			lost := r.open(t)
			fold(t, lost, records[:i+1])
			r.effects.Next = append(make([]engine.Fault, nth), fault)
			if err := lost.Release(); err != nil && !errors.Is(err, engine.ErrFault) {
				t.Fatal(err)
			}
			r.effects.Next = nil
		}
		if i%2 == 1 {
			o := r.open(t)
			fold(t, o, records[:i+1])
			save(t, o)
		}
	}
	growing(t, r, records, len(records))
}

// failOnce has every release fail at first, and goes on.
func failOnce(t *testing.T, r run, records []*timeline.Record, fault engine.Fault) {
	t.Helper()
	o := r.open(t)
	for i := range records {
		fold(t, o, records[:i+1])
		r.effects.Next = append(make([]engine.Fault, i%2), fault)
		save(t, o)
		r.effects.Next = nil
	}
}
