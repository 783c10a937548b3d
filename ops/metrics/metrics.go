// Package metrics says in Prometheus' words what a node does: one collector for the journal, one for the
// projections. Each reads what the status tells when it is asked, so that a metric and the status never differ, and
// nothing is counted twice.
//
// Labels are bounded: partitions, names of projections, states, and numbers of the generations that there are.
package metrics

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/refold/refold/streams/journal"
)

// metric is one metric of a collector: how it is described and what kind it is.
type metric struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
}

func counter(name, says string, labels ...string) metric {
	return metric{prometheus.NewDesc(name, says, labels, nil), prometheus.CounterValue}
}

func gauge(name, says string, labels ...string) metric {
	return metric{prometheus.NewDesc(name, says, labels, nil), prometheus.GaugeValue}
}

func (m metric) send(out chan<- prometheus.Metric, value float64, labels ...string) {
	out <- prometheus.MustNewConstMetric(m.desc, m.kind, value, labels...)
}

func oneIf(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// Registry returns a registry of the Go runtime and the process, to which collectors are added.
func Registry() *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return r
}

// Journal returns a collector of the partitions that a process owns. The status may be asked for concurrently.
func Journal(status func() []journal.Status) prometheus.Collector { return ownedPartitions{status} }

// Projections returns a collector of the generations that a process follows.
func Projections(e Engine) prometheus.Collector { return generations{e} }
