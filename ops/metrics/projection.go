package metrics

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/refold/refold/projections/engine"
)

// Metrics of the projections, each of one generation that the process follows, of the partitions that it holds.
var (
	projectionLive    = gauge("refold_projection_live", "1 where queries are answered from the generation.", "projection", "generation")
	projectionLag     = gauge("refold_projection_lag_records", "Records of the source that are not folded and saved, markers of transactions included.", "projection", "generation")
	projectionBehind  = gauge("refold_projection_lag_seconds", "For how long there has been a record that is not folded.", "projection", "generation")
	projectionRate    = gauge("refold_projection_records_per_second", "Records folded per second over the last few seconds.", "projection", "generation")
	projectionNext    = gauge("refold_projection_next_offset", "Offset of the first record that is not folded and saved.", "projection", "generation", "partition")
	projectionParked  = gauge("refold_projection_parked_rows", "Rows that stand still since an event that could not be folded.", "projection", "generation")
	projectionStuck   = gauge("refold_projection_stands_still", "1 where a task of the generation stopped and waits for somebody.", "projection", "generation")
	projectionDrifted = gauge("refold_projection_drifted_rows", "Rows that the last drill found not to be what their events fold into.", "projection", "generation")
)

// Engine tells how far generations are. Package engine implements it.
type Engine interface {
	Names() []string
	Statuses(projection string) (live int64, all []engine.Status, err error)
}

// generations collects how far the generations of a process are.
type generations struct{ engine Engine }

// Describe implements prometheus.Collector.
func (g generations) Describe(out chan<- *prometheus.Desc) {
	for _, m := range []metric{
		projectionLive, projectionLag, projectionBehind, projectionRate, projectionNext, projectionParked, projectionStuck, projectionDrifted,
	} {
		out <- m.desc
	}
}

// Collect implements prometheus.Collector.
func (g generations) Collect(out chan<- prometheus.Metric) {
	for _, name := range g.engine.Names() {
		live, all, err := g.engine.Statuses(name)
		if err != nil {
			out <- prometheus.NewInvalidMetric(projectionLag.desc, err)
			continue
		}
		for _, s := range all {
			if len(s.Progress) > 0 || s.Err != nil {
				collect(out, name, s, s.Number == live)
			}
		}
	}
}

func collect(out chan<- prometheus.Metric, name string, s engine.Status, live bool) {
	number := strconv.FormatInt(s.Number, 10)
	projectionLive.send(out, oneIf(live), name, number)
	projectionLag.send(out, float64(s.Lag), name, number)
	projectionBehind.send(out, s.Behind.Seconds(), name, number)
	projectionRate.send(out, s.Rate, name, number)
	projectionParked.send(out, float64(s.Parked), name, number)
	projectionStuck.send(out, oneIf(s.Err != nil), name, number)
	for _, p := range s.Progress {
		projectionNext.send(out, float64(p.Next), name, number, strconv.Itoa(int(p.Partition)))
	}
	if s.Drill != nil {
		projectionDrifted.send(out, float64(len(s.Drill.Drifted)), name, number)
	}
}
