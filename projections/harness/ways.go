package harness

import (
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/refold/refold/projections/engine"
	"github.com/refold/refold/streams/timeline"
)

// ways returns the ways of folding the same records.
func ways() map[string]func(*testing.T, run, []*timeline.Record) {
	return map[string]func(*testing.T, run, []*timeline.Record){
		"one by one":                    oneByOne,
		"batches of any size":           anySize,
		"a stop at every record":        stopEverywhere,
		"a crash at every record":       crashEverywhere,
		"rows kept and checkpoint lost": checkpointLost,
		"twice":                         twice,
		"two instances":                 twoInstances,
		"beside another task":           besideAnother,
		"records that stay as they are": unspoiled,
		"next to no memory":             noMemory,
	}
}

func oneByOne(t *testing.T, r run, records []*timeline.Record) {
	t.Helper()
	o := r.open(t)
	for i := range records {
		fold(t, o, records[i:i+1])
		save(t, o)
	}
}

func anySize(t *testing.T, r run, records []*timeline.Record) {
	t.Helper()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	o := r.open(t)
	for rest := records; len(rest) > 0; {
		n := 1 + random.IntN(len(rest))
		fold(t, o, rest[:n])
		if random.IntN(2) == 0 {
			save(t, o)
		}
		rest = rest[n:]
	}
	save(t, o)
}

func stopEverywhere(t *testing.T, r run, records []*timeline.Record) {
	t.Helper()
	for i := range records {
		o := r.open(t)
		fold(t, o, records[i:i+1])
		save(t, o)
	}
}

func crashEverywhere(t *testing.T, r run, records []*timeline.Record) {
	t.Helper()
	for i := range records {
		lost := r.open(t)
		fold(t, lost, records[:i+1]) // never saved
		o := r.open(t)
		fold(t, o, records[:i+1])
		save(t, o)
	}
}

func checkpointLost(t *testing.T, r run, records []*timeline.Record) {
	t.Helper()
	for i := range records {
		o := r.open(t)
		fold(t, o, records[:i+1])
		save(t, o)
		r.store.Forget(r.partition)
	}
	o := r.open(t)
	fold(t, o, records)
	save(t, o)
}

func twice(t *testing.T, r run, records []*timeline.Record) {
	t.Helper()
	o := r.open(t)
	fold(t, o, records)
	fold(t, o, records)
	save(t, o)
	fold(t, o, records)
	save(t, o)
}

func noMemory(t *testing.T, r run, records []*timeline.Record) {
	t.Helper()
	r.maxRows = 1
	o := r.open(t)
	for i := range records {
		fold(t, o, records[i:i+1])
		save(t, o)
	}
}

// twoInstances has the partition go from one instance to another with every record. The one that has lost it does
// not know yet: it folds on, and what it would release, after the other has, is refused.
func twoInstances(t *testing.T, r run, records []*timeline.Record) {
	t.Helper()
	loser := r.open(t)
	for i := range records {
		holder := r.open(t)
		fold(t, holder, records[:i+1])
		if err := holder.Release(); err != nil {
			t.Fatal(err)
		}
		fold(t, loser, records[i:i+1])
		r.effects.Next = []engine.Fault{engine.Refused}
		if err := loser.Release(); err != nil && !errors.Is(err, engine.ErrFault) {
			t.Fatal(err)
		}
		r.effects.Next = nil
		save(t, holder)
		loser = holder
	}
}

// besideAnother folds every record in two tasks, one after the other: what a fold keeps outside its rows of the
// one would show in the other.
func besideAnother(t *testing.T, r run, records []*timeline.Record) {
	t.Helper()
	other := newRun(r.definition, r.codec, r.partition)
	first, second := other.open(t), r.open(t)
	for i := range records {
		fold(t, first, records[i:i+1])
		fold(t, second, records[i:i+1])
	}
	save(t, first)
	save(t, second)
	if got, want := other.rows(t), r.rows(t); got != want {
		t.Errorf("the task that was first has rows\n%sthe second\n%s", got, want)
	}
}

// unspoiled leaves the records alone. Everywhere else they are spoiled when they are folded, so that a fold that
// keeps a string of one without cloning it makes other rows here.
func unspoiled(t *testing.T, r run, records []*timeline.Record) {
	t.Helper()
	o := r.open(t)
	foldCopies(t, o, records)
	save(t, o)
}
