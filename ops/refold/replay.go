package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/refold/refold/schemas/api/refoldv1"
)

// wish is what a replay is wanted to be.
type wish struct {
	from, touchedBy, reason string
	keys                    []string
	maxRate                 int64
	detach                  bool
}

func (w *wish) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&w.from, "from", "beginning", "begin with the newest snapshot at or before: snapshot, snapshot:NAME, an offset, a token, a time (RFC 3339) or so long ago (-24h); or at the beginning")
	f.StringSliceVar(&w.keys, "key", nil, "fold only the rows of this customer or account anew; may be given again")
	f.StringVar(&w.touchedBy, "touched-by", "", "fold only the rows anew of whom events of this name touch, such as bank.AccountFrozen")
	f.Int64Var(&w.maxRate, "max-rate", 0, "fold at most so many records a second; 0 is any number")
	f.StringVar(&w.reason, "reason", "", "why; kept in the record of acts")
	f.BoolVar(&w.detach, "detach", false, "do not wait until it is verified")
}

func (c *cli) replay() *cobra.Command {
	w := wish{}
	var plan bool
	cmd := &cobra.Command{
		Use:   "replay PROJECTION",
		Short: "Fold a projection anew beside the live one, and compare the two",
		Args:  replayArgs,
		RunE: func(cmd *cobra.Command, a []string) error {
			if plan {
				return c.withControl(func(control refoldv1.ControlServiceClient) error { return c.runPlan(cmd.Context(), control, a[0], w) })
			}
			return c.start(cmd.Context(), a[0], w, "")
		},
	}
	w.flags(cmd)
	cmd.Flags().BoolVar(&plan, "plan", false, "show what it would be, and start nothing")
	cmd.AddCommand(c.startPlan())
	cmd.AddCommand(c.steering()...)
	return cmd
}

// besideReplay are the commands that act upon a replay and are not below it.
func besideReplay() []string { return []string{"promote", "rollback", "cancel"} }

// replayArgs checks the arguments of replay, which may be words of a command beside it.
func replayArgs(cmd *cobra.Command, got []string) error {
	if len(got) > 0 && slices.Contains(besideReplay(), got[0]) {
		return fmt.Errorf("%w: there is no command \"replay %[2]s\": it is refold %[2]s", errUsage, got[0])
	}
	return args(1)(cmd, got)
}

// startPlan is the command that starts what was planned, and nothing else.
func (c *cli) startPlan() *cobra.Command {
	w := wish{}
	var plan string
	cmd := &cobra.Command{
		Use:   "start PROJECTION --plan HASH",
		Short: "Start a replay as it was planned, or not at all",
		Args:  args(1),
		RunE: func(cmd *cobra.Command, a []string) error {
			if plan == "" {
				return fmt.Errorf("%w: --plan is the hash that `refold replay %s --plan` shows", errUsage, a[0])
			}
			return c.start(cmd.Context(), a[0], w, plan)
		},
	}
	w.flags(cmd)
	cmd.Flags().StringVar(&plan, "plan", "", "the hash of the plan")
	return cmd
}

func (c *cli) start(ctx context.Context, projection string, w wish, plan string) error {
	return c.withControl(func(control refoldv1.ControlServiceClient) error {
		op, err := control.StartReplay(ctx, &refoldv1.StartReplayRequest{
			Projection: projection, From: w.from, Keys: w.keys, TouchedBy: w.touchedBy, Reason: w.reason, MaxRate: w.maxRate, Plan: plan,
		})
		if err != nil {
			return err
		}
		if !w.detach {
			if op, err = c.watch(ctx, control, op); err != nil {
				return err
			}
		}
		return c.printOperation(op)
	})
}

func (c *cli) promote() *cobra.Command {
	var force bool
	cmd := c.act("promote", "Make a replay's generation live", func(ctx context.Context, control refoldv1.ControlServiceClient, on target) (*refoldv1.Operation, error) {
		return control.Promote(ctx, &refoldv1.PromoteRequest{Id: on.id, Reason: on.reason, Force: force})
	})
	cmd.Flags().BoolVar(&force, "force", false, "promote although rows differ; needs a reason")
	return cmd
}

func (c *cli) rollback() *cobra.Command {
	return c.act("rollback", "Make the generation live again that was live before", func(ctx context.Context, control refoldv1.ControlServiceClient, on target) (*refoldv1.Operation, error) {
		return control.Rollback(ctx, &refoldv1.RollbackRequest{Id: on.id, Reason: on.reason})
	})
}

func (c *cli) cancel() *cobra.Command {
	return c.act("cancel", "End a replay that is not live and drop its rows", func(ctx context.Context, control refoldv1.ControlServiceClient, on target) (*refoldv1.Operation, error) {
		return control.Cancel(ctx, &refoldv1.CancelRequest{Id: on.id, Reason: on.reason})
	})
}

// steering are the commands upon a replay that runs.
func (c *cli) steering() []*cobra.Command {
	var maxRate int64
	limit := c.act("cap", "Bound the records that a replay folds in a second, while it runs", func(ctx context.Context, control refoldv1.ControlServiceClient, on target) (*refoldv1.Operation, error) {
		return control.Cap(ctx, &refoldv1.CapRequest{Id: on.id, Reason: on.reason, MaxRate: maxRate})
	})
	limit.Flags().Int64Var(&maxRate, "max-rate", 0, "records a second; 0 is any number")
	limit.PreRunE = func(cmd *cobra.Command, _ []string) error {
		if !cmd.Flags().Changed("max-rate") {
			return fmt.Errorf("%w: --max-rate says how many records a second; 0 is any number", errUsage)
		}
		return nil
	}
	return []*cobra.Command{
		limit,
		c.act("pause", "Stop a replay where it is until it is resumed", func(ctx context.Context, control refoldv1.ControlServiceClient, on target) (*refoldv1.Operation, error) {
			return control.Pause(ctx, &refoldv1.PauseRequest{Id: on.id, Reason: on.reason})
		}),
		c.act("resume", "Let a paused replay go on", func(ctx context.Context, control refoldv1.ControlServiceClient, on target) (*refoldv1.Operation, error) {
			return control.Resume(ctx, &refoldv1.ResumeRequest{Id: on.id, Reason: on.reason})
		}),
		c.act("retry", "Let what stands still try again, from what it has saved", func(ctx context.Context, control refoldv1.ControlServiceClient, on target) (*refoldv1.Operation, error) {
			return control.Retry(ctx, &refoldv1.RetryRequest{Id: on.id, Reason: on.reason})
		}),
		c.act("watch", "Show how far a replay is until it is verified", func(ctx context.Context, control refoldv1.ControlServiceClient, on target) (*refoldv1.Operation, error) {
			op, err := control.GetOperation(ctx, &refoldv1.GetOperationRequest{Id: on.id})
			if err != nil {
				return nil, err
			}
			return c.watch(ctx, control, op)
		}),
		c.listReplays(), c.differences(),
	}
}

// target is what a command acts upon, and why.
type target struct{ id, reason string }

// act is a command that takes an operation such as spending-2, or a projection for the one that is meant:
// the live one to roll back, else the latest that is not live.
func (c *cli) act(verb, short string, do func(context.Context, refoldv1.ControlServiceClient, target) (*refoldv1.Operation, error)) *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use:   verb + " PROJECTION|OPERATION",
		Short: short,
		Args:  args(1),
		RunE: func(cmd *cobra.Command, a []string) error {
			return c.withControl(func(control refoldv1.ControlServiceClient) error {
				id, err := operation(cmd.Context(), control, a[0], verb == "rollback")
				if err != nil {
					return err
				}
				op, err := do(cmd.Context(), control, target{id, reason})
				if err != nil {
					return err
				}
				return c.printOperation(op)
			})
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why; kept in the record of acts")
	return cmd
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
