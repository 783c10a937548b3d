package metrics

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/refold/refold/streams/journal"
)

// Metrics of the journal, each of one partition that the process owns. Counters begin at zero when it takes the
// partition.
var (
	journalServes = gauge("refold_journal_serves", "1 where the partition is owned here and takes commands, 0 where it is being taken.", "partition")
	journalQueued = gauge("refold_journal_queued_commands", "Commands that wait to be decided.", "partition")
	journalNext   = gauge("refold_journal_next_offset", "Offset of the next record.", "partition")

	journalCommands = counter("refold_journal_commands_total", "Commands that were answered with an outcome.", "partition")
	journalRecords  = counter("refold_journal_records_total", "Records that were committed.", "partition")
	journalFailures = counter("refold_journal_failures_total", "How often the outcome of something was unknown, and the partition was taken again.", "partition")

	journalCommits = prometheus.NewDesc("refold_journal_commit_seconds", "Time from the first record of a commit to its end.", []string{"partition"}, nil)
)

// ownedPartitions collects what the writers of a process do.
type ownedPartitions struct{ status func() []journal.Status }

// Describe implements prometheus.Collector.
func (o ownedPartitions) Describe(out chan<- *prometheus.Desc) {
	for _, m := range []metric{journalServes, journalQueued, journalNext, journalCommands, journalRecords, journalFailures} {
		out <- m.desc
	}
	out <- journalCommits
}

// Collect implements prometheus.Collector.
func (o ownedPartitions) Collect(out chan<- prometheus.Metric) {
	for _, s := range o.status() {
		p := strconv.Itoa(int(s.Partition))
		journalServes.send(out, oneIf(s.State.Serves()), p)
		journalQueued.send(out, float64(s.Queued), p)
		if s.Next >= 0 {
			journalNext.send(out, float64(s.Next), p)
		}
		journalCommands.send(out, float64(s.Commands), p)
		journalRecords.send(out, float64(s.Records), p)
		journalFailures.send(out, float64(s.Failures), p)
		out <- prometheus.MustNewConstSummary(journalCommits, uint64(s.Batches), s.Committing.Seconds(), nil, p) //nolint:gosec // it only grows
	}
}
