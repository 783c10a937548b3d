package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/refold/refold/schemas/api/refoldv1"
)

func (c *cli) replay() *cobra.Command {
	var from, reason string
	var detach bool
	cmd := &cobra.Command{
		Use:   "replay PROJECTION",
		Short: "Fold a projection anew beside the live one, and compare the two",
		Args:  args(1),
		RunE: func(cmd *cobra.Command, a []string) error {
			if from != "beginning" {
				return fmt.Errorf("%w: --from: only beginning is supported, not %q", errUsage, from)
			}
			return c.withControl(func(control refoldv1.ControlServiceClient) error {
				op, err := control.StartReplay(cmd.Context(), &refoldv1.StartReplayRequest{Projection: a[0], From: from, Reason: reason})
				if err != nil {
					return err
				}
				if !detach {
					if op, err = c.watch(cmd.Context(), control, op); err != nil {
						return err
					}
				}
				return c.printOperation(op)
			})
		},
	}
	cmd.Flags().StringVar(&from, "from", "beginning", "where the replay begins")
	cmd.Flags().StringVar(&reason, "reason", "", "why; kept in the record of acts")
	cmd.Flags().BoolVar(&detach, "detach", false, "do not wait until it is verified")
	return cmd
}

func (c *cli) promote() *cobra.Command {
	var reason string
	var force bool
	cmd := c.act("promote", "Make a replay's generation live", func(ctx context.Context, control refoldv1.ControlServiceClient, id string) (*refoldv1.Operation, error) {
		return control.Promote(ctx, &refoldv1.PromoteRequest{Id: id, Reason: reason, Force: force})
	})
	cmd.Flags().StringVar(&reason, "reason", "", "why; kept in the record of acts")
	cmd.Flags().BoolVar(&force, "force", false, "promote although rows differ; needs a reason")
	return cmd
}

func (c *cli) rollback() *cobra.Command {
	var reason string
	cmd := c.act("rollback", "Make the generation live again that was live before", func(ctx context.Context, control refoldv1.ControlServiceClient, id string) (*refoldv1.Operation, error) {
		return control.Rollback(ctx, &refoldv1.RollbackRequest{Id: id, Reason: reason})
	})
	cmd.Flags().StringVar(&reason, "reason", "", "why; kept in the record of acts")
	return cmd
}

func (c *cli) cancel() *cobra.Command {
	var reason string
	cmd := c.act("cancel", "End a replay that is not live and drop its rows", func(ctx context.Context, control refoldv1.ControlServiceClient, id string) (*refoldv1.Operation, error) {
		return control.Cancel(ctx, &refoldv1.CancelRequest{Id: id, Reason: reason})
	})
	cmd.Flags().StringVar(&reason, "reason", "", "why; kept in the record of acts")
	return cmd
}

// act is a command that takes an operation such as spending-2, or a projection for the one that is meant:
// the live one to roll back, else the latest that is not live.
func (c *cli) act(verb, short string, do func(context.Context, refoldv1.ControlServiceClient, string) (*refoldv1.Operation, error)) *cobra.Command {
	return &cobra.Command{
		Use:   verb + " PROJECTION|OPERATION",
		Short: short,
		Args:  args(1),
		RunE: func(cmd *cobra.Command, a []string) error {
			return c.withControl(func(control refoldv1.ControlServiceClient) error {
				id, err := operation(cmd.Context(), control, a[0], verb == "rollback")
				if err != nil {
					return err
				}
				op, err := do(cmd.Context(), control, id)
				if err != nil {
					return err
				}
				return c.printOperation(op)
			})
		},
	}
}

func (c *cli) withControl(do func(refoldv1.ControlServiceClient) error) error {
	conn, err := c.dial()
	if err != nil {
		return err
	}
	defer conn.Close()
	return do(refoldv1.NewControlServiceClient(conn))
}

// operation returns the operation that a name means: itself, or of a projection its live generation or
// its latest other one.
func operation(ctx context.Context, control refoldv1.ControlServiceClient, name string, live bool) (string, error) {
	resp, err := control.ListProjections(ctx, &refoldv1.ListProjectionsRequest{})
	if err != nil {
		return "", err
	}
	for _, p := range resp.GetProjections() {
		if p.GetName() != name {
			continue
		}
		for _, g := range slices.Backward(p.GetGenerations()) {
			// One that stands by is what a roll-back needs: it is only ever meant by its own name.
			passed := g.GetState() == refoldv1.GenerationState_GENERATION_STATE_CANCELLED || g.GetState() == refoldv1.GenerationState_GENERATION_STATE_STANDBY
			if live == (g.GetNumber() == p.GetLive()) && !passed {
				return fmt.Sprintf("%s-%d", name, g.GetNumber()), nil
			}
		}
		return "", fmt.Errorf("%s has no replay: start one with `refold replay %s`", name, name)
	}
	return name, nil
}

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
		bar.show(done, all, time.Duration(op.GetEtaSeconds()*float64(time.Second)))
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

// printOperation shows a replay, and says by its error whether the generations agree.
func (c *cli) printOperation(op *refoldv1.Operation) error {
	if c.json {
		if err := c.printProto(op); err != nil {
			return err
		}
	} else {
		c.describe(op)
	}
	if n := op.GetVerification().GetDifferences(); n > 0 {
		return fmt.Errorf("%w: %d of %d rows differ", errNotAllWell, n, op.GetVerification().GetRows())
	}
	return nil
}

func (c *cli) describe(op *refoldv1.Operation) {
	fmt.Fprintf(c.stdout, "%s: generation %d is %s; generation %d answers queries\n",
		op.GetId(), op.GetGeneration().GetNumber(), state(op.GetGeneration().GetState()), op.GetLive())
	v := op.GetVerification()
	if v == nil {
		return
	}
	fmt.Fprintf(c.stdout, "compared %d rows at equal positions: %d differ; digest %s\n", v.GetRows(), v.GetDifferences(), v.GetDigest())
	for _, d := range v.GetExamples() {
		fmt.Fprintf(c.stdout, "  partition %d, row %s\n    live       %s\n    candidate  %s\n", d.GetPartition(), strings.TrimSpace(d.GetKey()), orNone(d.GetLive()), orNone(d.GetCandidate()))
	}
	switch {
	case op.GetGeneration().GetState() != refoldv1.GenerationState_GENERATION_STATE_VERIFIED:
	case v.GetDifferences() > 0:
		fmt.Fprintf(c.stdout, "it can only be made live with: refold promote %s --force --reason WHY\n", op.GetId())
	default:
		fmt.Fprintf(c.stdout, "make it live with: refold promote %s\n", op.GetId())
	}
}

func orNone(s string) string {
	if s == "" {
		return "(no row)"
	}
	return s
}
