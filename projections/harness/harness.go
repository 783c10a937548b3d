// Package harness runs a projection through everything that may happen to it, and finds that its rows
// come out the same: all at once, one record at a time, in batches of any size, with a crash and with a
// stop at every record, with the checkpoint lost, twice, on two instances that hand over to each other, beside
// another task of the same process, and with next to no memory. Where it has effects, the same ones come out
// once each, whatever else happens to what publishes them. Where it has several sources, the order of their events is
// made by what happens first, and a replay from nothing must come to the same.
package harness

import (
	"bytes"
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/refold/refold/projections/engine"
	"github.com/refold/refold/projections/projection"
	"github.com/refold/refold/projections/store/memory"
	"github.com/refold/refold/schemas/codec"
	"github.com/refold/refold/streams/timeline"
)

// run is one way of folding the records.
type run struct {
	definition *projection.Definition
	codec      *codec.Codec
	store      *memory.Store
	maxRows    int
	partition  int32
	effects    *engine.EffectLog
}

func newRun(d *projection.Definition, c *codec.Codec, partition int32) run {
	return run{
		definition: d, codec: c, store: memory.NewStore(), maxRows: 1000, partition: partition,
		effects: &engine.EffectLog{Partitions: 7},
	}
}

func (r run) open(t *testing.T) *engine.Offline {
	t.Helper()
	o, err := engine.NewEmitting(r.definition, r.codec, r.store, r.partition, r.maxRows, r.effects)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// fold gives records to a task and spoils them afterwards, as a reader does that uses its memory again.
func fold(t *testing.T, o *engine.Offline, records []*timeline.Record) {
	t.Helper()
	copies := foldCopies(t, o, records)
	if o.Next() < next(records) {
		return // some wait to be folded
	}
	for _, c := range copies {
		for i := range c.Value {
			c.Value[i] = 0xee
		}
	}
}

// foldCopies gives copies of records to a task, in one batch, and returns them.
func foldCopies(t *testing.T, o *engine.Offline, records []*timeline.Record) []*timeline.Record {
	t.Helper()
	if len(records) == 0 {
		return nil
	}
	copies := make([]*timeline.Record, len(records))
	for i, rec := range records {
		c := *rec
		c.Key, c.Value = bytes.Clone(rec.Key), bytes.Clone(rec.Value)
		copies[i] = &c
	}
	if err := o.Fold(batches(copies)...); err != nil {
		t.Fatal(err)
	}
	return copies
}

// batches returns records as their topics are read, each up to its last record.
func batches(records []*timeline.Record) (out []timeline.Batch) {
	of := make(map[string]int)
	for _, rec := range records {
		i, ok := of[rec.Topic]
		if !ok {
			i = len(out)
			of[rec.Topic] = i
			out = append(out, timeline.Batch{Topic: rec.Topic, Partition: rec.Partition})
		}
		b := &out[i]
		b.Records, b.Next, b.End = append(b.Records, rec), rec.Offset+1, rec.Offset+1
	}
	return out
}

func save(t *testing.T, o *engine.Offline) {
	t.Helper()
	if err := o.Save(); err != nil {
		t.Fatal(err)
	}
}

// rows prints what is stored, as text and bytes.
func (r run) rows(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	err := r.store.Scan(r.partition, nil, nil, func(key, value []byte) bool {
		text, err := r.definition.Text(value)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "%q %x %s\n", key, value, text)
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// Run folds the records of one partition in every way and fails where the rows differ.
func Run(t *testing.T, d *projection.Definition, c *codec.Codec, records []*timeline.Record) {
	t.Helper()
	if len(records) == 0 {
		t.Fatal("a projection is tested with records")
	}
	fresh := func() run {
		return newRun(d, c, records[0].Partition)
	}
	reference := fresh()
	o := reference.open(t)
	fold(t, o, records)
	save(t, o)
	want, told := reference.rows(t), reference.told(t)
	if want == "" {
		t.Fatal("the records make no rows")
	}
	if len(d.Sources) > 1 {
		runSeveral(t, fresh, records)
		return
	}
	all := ways()
	if told != "" {
		maps.Copy(all, waysToEmit())
	}
	for name, way := range all {
		t.Run(name, func(t *testing.T) {
			r := fresh()
			way(t, r, records)
			if got := r.rows(t); got != want {
				t.Errorf("got rows\n%swant\n%s", got, want)
			}
			if got := r.told(t); got != told {
				t.Errorf("got effects\n%swant\n%s", got, told)
			}
		})
	}
}
