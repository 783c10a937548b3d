package metrics_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/refold/refold/ops/metrics"
	"github.com/refold/refold/projections/acts"
	"github.com/refold/refold/projections/engine"
	"github.com/refold/refold/projections/projection"
	"github.com/refold/refold/streams/journal"
)

// troubled is an engine whose one projection has a live generation with rows that stand still and have drifted, one
// that stands still beside it, and one that is nowhere here.
type troubled struct{}

func (troubled) Names() []string { return []string{"p"} }

func (troubled) Statuses(string) (int64, []engine.Status, error) {
	return 1, []engine.Status{
		{
			Generation: acts.Generation{Number: 1}, Lag: 7, Behind: 1500 * time.Millisecond, Parked: 3,
			Progress: []engine.Progress{{Partition: 2, Next: 40}}, Drill: &engine.Drill{Drifted: make([]projection.Key, 2)},
		},
		{Generation: acts.Generation{Number: 2}, Err: errors.New("a fold failed")},
		{Generation: acts.Generation{Number: 3, Cancelled: true}},
	}, nil
}

// What an operator must hear of is in the metrics.
func TestTroubleIsTold(t *testing.T) {
	const want = `
# HELP refold_projection_drifted_rows Rows that the last drill found not to be what their events fold into.
# TYPE refold_projection_drifted_rows gauge
refold_projection_drifted_rows{generation="1",projection="p"} 2
# HELP refold_projection_lag_seconds For how long there has been a record that is not folded.
# TYPE refold_projection_lag_seconds gauge
refold_projection_lag_seconds{generation="1",projection="p"} 1.5
refold_projection_lag_seconds{generation="2",projection="p"} 0
# HELP refold_projection_next_offset Offset of the first record that is not folded and saved.
# TYPE refold_projection_next_offset gauge
refold_projection_next_offset{generation="1",partition="2",projection="p"} 40
# HELP refold_projection_parked_rows Rows that stand still since an event that could not be folded.
# TYPE refold_projection_parked_rows gauge
refold_projection_parked_rows{generation="1",projection="p"} 3
refold_projection_parked_rows{generation="2",projection="p"} 0
# HELP refold_projection_stands_still 1 where a task of the generation stopped and waits for somebody.
# TYPE refold_projection_stands_still gauge
refold_projection_stands_still{generation="1",projection="p"} 0
refold_projection_stands_still{generation="2",projection="p"} 1
`
	err := testutil.CollectAndCompare(metrics.Projections(troubled{}), strings.NewReader(want), "refold_projection_drifted_rows",
		"refold_projection_lag_seconds", "refold_projection_next_offset", "refold_projection_parked_rows", "refold_projection_stands_still")
	if err != nil {
		t.Error(err)
	}
}

// A partition that is being taken is told apart from one that takes commands, and has no offset before its first commit.
func TestAPartitionThatIsBeingTaken(t *testing.T) {
	const want = `
# HELP refold_journal_commit_seconds Time from the first record of a commit to its end.
# TYPE refold_journal_commit_seconds summary
refold_journal_commit_seconds_sum{partition="4"} 2.5
refold_journal_commit_seconds_count{partition="4"} 5
# HELP refold_journal_failures_total How often the outcome of something was unknown, and the partition was taken again.
# TYPE refold_journal_failures_total counter
refold_journal_failures_total{partition="4"} 2
# HELP refold_journal_serves 1 where the partition is owned here and takes commands, 0 where it is being taken.
# TYPE refold_journal_serves gauge
refold_journal_serves{partition="4"} 0
`
	taken := func() []journal.Status {
		return []journal.Status{{Partition: 4, State: journal.Fencing, Next: -1, Failures: 2, Batches: 5, Committing: 2500 * time.Millisecond}}
	}
	err := testutil.CollectAndCompare(metrics.Journal(taken), strings.NewReader(want), "refold_journal_commit_seconds",
		"refold_journal_failures_total", "refold_journal_next_offset", "refold_journal_serves")
	if err != nil {
		t.Error(err)
	}
}
