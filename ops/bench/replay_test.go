package main

import (
	"log/slog"
	"testing"
	"time"

	"github.com/refold/refold/projections/balances"
	"github.com/refold/refold/projections/engine"
	"github.com/refold/refold/projections/ledger"
	shops "github.com/refold/refold/projections/merchants"
	"github.com/refold/refold/projections/projection"
	"github.com/refold/refold/projections/rewards"
	"github.com/refold/refold/projections/spending"
	"github.com/refold/refold/projections/store"
	"github.com/refold/refold/projections/store/pebble"
	"github.com/refold/refold/projections/totals"
	"github.com/refold/refold/projections/trail"
	"github.com/refold/refold/schemas/codec"
	"github.com/refold/refold/streams/timeline"
)

// folded is how many entries are folded, of one partition.
const folded = 100_000

// records makes the records of partition 0.
func records(b *testing.B, cd *codec.Codec) []*timeline.Record {
	b.Helper()
	g, err := newGenerator(b.Context(), cd)
	if err != nil {
		b.Fatal(err)
	}
	var out []*timeline.Record
	keep := func(rec *timeline.Record, err error) {
		if err != nil {
			b.Fatal(err)
		}
		if rec.Partition == 0 {
			rec.Offset = int64(len(out))
			out = append(out, rec)
		}
	}
	for c := range customers {
		keep(g.record(g.opened, g.account(c)))
	}
	for i := 0; len(out) < folded; i++ {
		keep(g.record(g.posted, g.purchase(i, firstDay.Add(time.Duration(i)*time.Second))))
	}
	return out
}

// BenchmarkFold folds a partition from nothing into Pebble, without a broker, and reports the processor time
// of an entry, compactions included.
func BenchmarkFold(b *testing.B) {
	cd := codec.New(new(codec.Local))
	recs := records(b, cd)
	for _, d := range []*projection.Definition{
		ledger.Definition(), balances.Definition(), rewards.Definition(), spending.Definition(), shops.Definition(), totals.Definition(), trail.Definition(),
	} {
		b.Run(d.Name, func(b *testing.B) {
			b.ReportAllocs()
			var took time.Duration
			for b.Loop() {
				before := processor()
				fill(b, d, cd, recs)
				took += processor() - before
			}
			b.ReportMetric(float64(took.Nanoseconds())/float64(b.N)/folded, "cpu-ns/entry")
		})
	}
}

func fill(b *testing.B, d *projection.Definition, cd *codec.Codec, recs []*timeline.Record) {
	stores := pebble.New(b.TempDir(), 64<<20, slog.New(slog.DiscardHandler))
	defer stores.Close()
	s, err := stores.Open(store.Generation{Projection: d.Name, Number: 1})
	if err != nil {
		b.Fatal(err)
	}
	o, err := engine.NewOffline(d, cd, s, 0, 50_000)
	if err != nil {
		b.Fatal(err)
	}
	const round = 10_000
	for len(recs) > 0 {
		n := min(round, len(recs))
		batch := timeline.Batch{From: recs[0].Offset, Records: recs[:n], Next: recs[n-1].Offset + 1}
		if err := o.Fold(batch); err != nil {
			b.Fatal(err)
		}
		if err := o.Save(); err != nil {
			b.Fatal(err)
		}
		recs = recs[n:]
	}
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
}
