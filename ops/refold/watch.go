package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/refold/refold/schemas/api/refoldv1"
)

// watch shows a replay until it is compared with the live generation, or cannot go on.
func (c *cli) watch(ctx context.Context, control refoldv1.ControlServiceClient, op *refoldv1.Operation) (*refoldv1.Operation, error) {
	bar := newBar(c.stderr, "replay "+op.GetId())
	defer bar.finish()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		var done, all int64
		for _, p := range op.GetPartitions() {
			done, all = done+p.GetOffset(), all+p.GetEnd()
		}
		bar.say(done, all, pace(op))
		switch op.GetGeneration().GetState() {
		case refoldv1.GenerationState_GENERATION_STATE_STUCK:
			return op, fmt.Errorf("replay %s stands still: %s", op.GetId(), op.GetGeneration().GetError())
		case refoldv1.GenerationState_GENERATION_STATE_READY:
			if problem := op.GetGeneration().GetError(); problem != "" {
				return op, fmt.Errorf("replay %s is ready and cannot be compared: %s (refold promote --force --reason WHY makes it live all the same)", op.GetId(), problem)
			}
		case refoldv1.GenerationState_GENERATION_STATE_CANCELLED:
			return op, fmt.Errorf("replay %s was cancelled", op.GetId())
		case refoldv1.GenerationState_GENERATION_STATE_VERIFIED, refoldv1.GenerationState_GENERATION_STATE_LIVE:
			return op, nil
		default:
		}
		select {
		case <-ctx.Done():
			return op, fmt.Errorf("replay %s goes on without being watched: %w", op.GetId(), ctx.Err())
		case <-tick.C:
		}
		next, err := control.GetOperation(ctx, &refoldv1.GetOperationRequest{Id: op.GetId()})
		if err != nil {
			return op, err
		}
		op = next
	}
}

// pace says how fast a replay goes and how long the rest may take, where that is known.
func pace(op *refoldv1.Operation) string {
	if op.GetGeneration().GetState() == refoldv1.GenerationState_GENERATION_STATE_PAUSED {
		return ", paused"
	}
	words := fmt.Sprintf(", %.0f events/s", op.GetGeneration().GetEventsPerSecond())
	if eta := op.GetEtaSeconds(); eta > 0 {
		words += ", " + time.Duration(eta*float64(time.Second)).Round(time.Second).String() + " to go"
	}
	return words
}

// listReplays shows every replay with its partitions' progress summed up.
func (c *cli) listReplays() *cobra.Command {
	return &cobra.Command{
		Use:   "list [PROJECTION]",
		Short: "Show the replays, those that run first",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, a []string) error {
			return c.withControl(func(control refoldv1.ControlServiceClient) error {
				r := &refoldv1.ListOperationsRequest{}
				if len(a) > 0 {
					r.Projection = a[0]
				}
				resp, err := control.ListOperations(cmd.Context(), r)
				if err != nil {
					return err
				}
				if c.json {
					return c.printProto(resp)
				}
				t := c.table()
				fmt.Fprintln(t, "REPLAY\tSTATE\tDONE\tEVENTS/S\tCAP\tTO GO\tBY\tREASON")
				for _, op := range resp.GetOperations() {
					g := op.GetGeneration()
					fmt.Fprintf(t, "%s\t%s\t%s\t%.0f\t%s\t%s\t%s\t%s\n", op.GetId(), state(g.GetState()), share(op), g.GetEventsPerSecond(), atMost(op.GetMaxRate()),
						toGo(op.GetEtaSeconds(), g.GetLagEvents() > 0), g.GetPrincipal(), g.GetReason())
				}
				return t.Flush()
			})
		},
	}
}

// toGo is how long work still takes, "-" where there is some and nobody knows.
func toGo(seconds float64, some bool) string {
	if seconds == 0 && some {
		return "-"
	}
	return age(seconds)
}

func atMost(rate int64) string {
	if rate == 0 {
		return "-"
	}
	return strconv.FormatInt(rate, 10)
}

// share is how much of all is folded.
func share(op *refoldv1.Operation) string {
	var done, all int64
	for _, p := range op.GetPartitions() {
		done, all = done+p.GetOffset(), all+p.GetEnd()
	}
	if all <= 0 {
		return "-"
	}
	return fmt.Sprintf("%.1f%%", 100*float64(done)/float64(all))
}

// printOperation shows a replay, and says by its error whether the generations agree.
func (c *cli) printOperation(op *refoldv1.Operation) error {
	if c.json {
		if err := c.printProto(op); err != nil {
			return err
		}
	} else {
		c.describe(op)
	}
	// One that was made live all the same was forced to be.
	n := op.GetVerification().GetDifferences()
	if n > 0 && op.GetGeneration().GetState() != refoldv1.GenerationState_GENERATION_STATE_LIVE {
		return fmt.Errorf("%w: %d of %d rows differ", errNotAllWell, n, op.GetVerification().GetRows())
	}
	return nil
}

func (c *cli) describe(op *refoldv1.Operation) {
	fmt.Fprintf(c.stdout, "%s: generation %d is %s; generation %d answers queries\n",
		op.GetId(), op.GetGeneration().GetNumber(), state(op.GetGeneration().GetState()), op.GetLive())
	if n := op.GetMaxRate(); n > 0 {
		fmt.Fprintf(c.stdout, "it folds at most %d events a second\n", n)
	}
	if s := op.GetGeneration().GetState(); s == refoldv1.GenerationState_GENERATION_STATE_BUILDING || s == refoldv1.GenerationState_GENERATION_STATE_PAUSED {
		c.describeProgress(op)
	}
	v := op.GetVerification()
	if v == nil {
		return
	}
	fmt.Fprintf(c.stdout, "compared %d rows at equal positions: %d differ; digest %s\n", v.GetRows(), v.GetDifferences(), v.GetDigest())
	if shown := v.GetExamples(); len(shown) > fewRows {
		c.describeRows(shown[:fewRows])
		fmt.Fprintf(c.stdout, "  and more: refold replay differences %s\n", op.GetId())
	} else {
		c.describeRows(shown)
	}
	switch {
	case op.GetGeneration().GetState() != refoldv1.GenerationState_GENERATION_STATE_VERIFIED:
	case v.GetDifferences() > 0:
		fmt.Fprintf(c.stdout, "it can only be made live with: refold promote %s --force --reason WHY\n", op.GetId())
	default:
		fmt.Fprintf(c.stdout, "make it live with: refold promote %s\n", op.GetId())
	}
}

// fewRows bounds the rows that are shown where they are not what was asked for.
const fewRows = 5

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

// describeRows shows where rows differ, to the field.
func (c *cli) describeRows(rows []*refoldv1.RowDifference) {
	for _, d := range rows {
		fmt.Fprintf(c.stdout, "  partition %d, row %s\n", d.GetPartition(), strings.TrimSpace(d.GetKey()))
		for _, f := range d.GetFields() {
			fmt.Fprintf(c.stdout, "    %s: live %s, candidate %s\n", f.GetPath(), orNone(f.GetLive()), orNone(f.GetCandidate()))
		}
	}
}

// differences is the command that compares a replay with the live generation once more.
func (c *cli) differences() *cobra.Command {
	return &cobra.Command{
		Use:   "differences PROJECTION|OPERATION",
		Short: "Compare a replay with the live generation as they are now, to the field",
		Args:  args(1),
		RunE: func(cmd *cobra.Command, a []string) error {
			return c.withControl(func(control refoldv1.ControlServiceClient) error {
				id, err := operation(cmd.Context(), control, a[0], false)
				if err != nil {
					return err
				}
				resp, err := control.ListDifferences(cmd.Context(), &refoldv1.ListDifferencesRequest{Id: id})
				if err != nil {
					return err
				}
				return c.printDifferences(id, resp)
			})
		},
	}
}

func (c *cli) printDifferences(id string, resp *refoldv1.ListDifferencesResponse) error {
	if c.json {
		return c.printProto(resp)
	}
	c.describeRows(resp.GetRows())
	if n := resp.GetDifferences(); n > 0 {
		return fmt.Errorf("%w: %d rows of %s differ from the live ones", errNotAllWell, n, id)
	}
	fmt.Fprintf(c.stdout, "no row of %s differs from the live one\n", id)
	return nil
}

// describeProgress shows how far every partition is.
func (c *cli) describeProgress(op *refoldv1.Operation) {
	if len(op.GetPartitions()) == 0 {
		fmt.Fprintf(c.stdout, "it has not begun yet; see how far it is with: refold replay watch %s\n", op.GetId())
		return
	}
	t := c.table()
	fmt.Fprintln(t, "PARTITION\tAT\tEND\tEVENTS/S\tTO GO")
	for _, p := range op.GetPartitions() {
		fmt.Fprintf(t, "%d\t%d\t%d\t%.0f\t%s\n", p.GetPartition(), p.GetOffset(), max(p.GetEnd(), 0), p.GetEventsPerSecond(), toGo(p.GetEtaSeconds(), p.GetOffset() < p.GetEnd()))
	}
	_ = t.Flush() // stdout that is gone is no failure of the replay
}
