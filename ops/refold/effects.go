package main

import (
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/refold/refold/schemas/api/refoldv1"
)

// effects compares what two generations tell; below it is what publishes some of it.
func (c *cli) effects() *cobra.Command {
	var limit int32
	var compare bool
	cmd := &cobra.Command{
		Use:   "effects PROJECTION --compare BEFORE AFTER",
		Short: "Show what a generation would have emitted more or less than another",
		Args:  args(3),
		RunE: func(cmd *cobra.Command, a []string) error {
			before, problem := strconv.ParseInt(a[1], 10, 64)
			after, err := strconv.ParseInt(a[2], 10, 64)
			if !compare {
				return fmt.Errorf("%w: --compare and two generations are needed", errUsage)
			}
			if problem != nil || err != nil {
				return fmt.Errorf("%w: generations are numbers, such as 1 and 2: not %q and %q", errUsage, a[1], a[2])
			}
			r := &refoldv1.CompareEffectsRequest{Projection: a[0], Before: before, After: after, Limit: limit}
			return c.withControl(func(control refoldv1.ControlServiceClient) error {
				resp, err := control.CompareEffects(cmd.Context(), r)
				if err != nil {
					return err
				}
				if c.json {
					return c.printProto(resp)
				}
				return c.printEffects(resp)
			})
		},
	}
	cmd.Flags().BoolVar(&compare, "compare", false, "compare the effects of two generations")
	cmd.Flags().Int32Var(&limit, "limit", 20, "show at most so many differences")
	cmd.AddCommand(c.releaseEffects())
	return cmd
}

func (c *cli) printEffects(r *refoldv1.CompareEffectsResponse) error {
	for _, d := range r.GetDifferences() {
		sign, text := "+", d.GetAfter()
		switch {
		case d.GetAfter() == "":
			sign, text = "-", d.GetBefore()
		case d.GetBefore() != "":
			sign, text = "~", d.GetBefore()+" -> "+d.GetAfter()
		}
		if _, err := fmt.Fprintf(c.stdout, "%s %s %s %s\n", sign, d.GetEffectId(), d.GetEvent(), text); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(c.stdout, "%d alike, %d less (-), %d more (+), %d changed (~)\n", r.GetSame(), r.GetLess(), r.GetMore(), r.GetChanged())
	return err
}

func (c *cli) releaseEffects() *cobra.Command {
	var only []string
	var reason string
	cmd := &cobra.Command{
		Use:   "release PROJECTION",
		Short: "Publish effects of the live generation that were never published, by their ids",
		Args:  args(1),
		RunE: func(cmd *cobra.Command, a []string) error {
			if len(only) == 0 || reason == "" {
				return fmt.Errorf("%w: --only and --reason are needed", errUsage)
			}
			return c.withControl(func(control refoldv1.ControlServiceClient) error {
				resp, err := control.ReleaseEffects(cmd.Context(), &refoldv1.ReleaseEffectsRequest{Projection: a[0], EffectIds: only, Reason: reason})
				if err != nil {
					return err
				}
				if c.json {
					return c.printProto(resp)
				}
				_, err = fmt.Fprintf(c.stdout, "%d published, %d were already\n", len(resp.GetEffectIds()), len(only)-len(resp.GetEffectIds()))
				return err
			})
		},
	}
	cmd.Flags().StringSliceVar(&only, "only", nil, "ids of the effects, as `refold effects` shows them, with commas between")
	cmd.Flags().StringVar(&reason, "reason", "", "why; kept in the record of acts")
	return cmd
}
