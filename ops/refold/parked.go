package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/refold/refold/schemas/api/refoldv1"
)

// parked is the group of commands about rows that stand still.
func (c *cli) parked() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "parked",
		Short: "Show rows that stand still since an event that could not be folded",
	}
	cmd.AddCommand(c.listParked(), c.showParked(), c.retryParked(), c.discardParked())
	return cmd
}

func (c *cli) listParked() *cobra.Command {
	return &cobra.Command{
		Use:   "list PROJECTION",
		Short: "List the parked rows, each with the event that it stands still before",
		Args:  args(1),
		RunE: func(cmd *cobra.Command, a []string) error {
			return c.withControl(func(control refoldv1.ControlServiceClient) error {
				resp, err := control.ListParked(cmd.Context(), &refoldv1.ListParkedRequest{Projection: a[0]})
				if err != nil {
					return err
				}
				if c.json {
					return c.printProto(resp)
				}
				return c.printParked(resp.GetRows())
			})
		},
	}
}

func (c *cli) printParked(rows []*refoldv1.ParkedRow) error {
	t := c.table()
	fmt.Fprintln(t, "GENERATION\tKEY\tPARTITION\tPOSITION\tSINCE\tREASON")
	for _, r := range rows {
		fmt.Fprintf(t, "%d\t%s\t%d\t%d\t%s\t%s\n", r.GetGeneration(), r.GetKey(), r.GetPartition(), r.GetPosition(), when(r.GetSince().AsTime()), r.GetReason())
	}
	return t.Flush()
}

func (c *cli) showParked() *cobra.Command {
	return &cobra.Command{
		Use:   "show PROJECTION KEY",
		Short: "Show a parked row as it stands, KEY as `refold parked list` shows it",
		Args:  args(2),
		RunE: func(cmd *cobra.Command, a []string) error {
			return c.withControl(func(control refoldv1.ControlServiceClient) error {
				return c.runShowParked(cmd.Context(), control, a[0], a[1])
			})
		},
	}
}

func (c *cli) runShowParked(ctx context.Context, control refoldv1.ControlServiceClient, projection, key string) error {
	resp, err := control.ListParked(ctx, &refoldv1.ListParkedRequest{Projection: projection})
	if err != nil {
		return err
	}
	found := false
	for _, r := range resp.GetRows() {
		if r.GetKey() != key {
			continue
		}
		found = true
		if c.json {
			err = c.printProto(r)
		} else {
			_, err = fmt.Fprintf(c.stdout, "%s of generation %d is parked since %s, at partition %d offset %d\n  reason: %s\n  row: %s\n",
				r.GetKey(), r.GetGeneration(), when(r.GetSince().AsTime()), r.GetPartition(), r.GetPosition(), r.GetReason(), r.GetRow())
		}
		if err != nil {
			return err
		}
	}
	if !found {
		return fmt.Errorf("%w: %s has no parked row %s", errUsage, projection, key)
	}
	return nil
}

func (c *cli) retryParked() *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use:   "retry PROJECTION KEY",
		Short: "Fold a parked row again, such as after its fold was mended",
		Args:  args(2),
		RunE: func(cmd *cobra.Command, a []string) error {
			return c.withControl(func(control refoldv1.ControlServiceClient) error {
				resp, err := control.RetryParked(cmd.Context(), &refoldv1.RetryParkedRequest{Projection: a[0], Key: a[1], Reason: reason})
				if err != nil {
					return err
				}
				if c.json {
					return c.printProto(resp)
				}
				return c.printLeft(a[1], resp.GetRows())
			})
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why; kept in the record of acts")
	return cmd
}

func (c *cli) discardParked() *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use:   "discard PROJECTION KEY --reason WHY",
		Short: "Leave the event that failed out of a parked row for ever",
		Args:  args(2),
		RunE: func(cmd *cobra.Command, a []string) error {
			if reason == "" {
				return fmt.Errorf("%w: --reason is needed", errUsage)
			}
			return c.withControl(func(control refoldv1.ControlServiceClient) error {
				resp, err := control.DiscardParked(cmd.Context(), &refoldv1.DiscardParkedRequest{Projection: a[0], Key: a[1], Reason: reason})
				if err != nil {
					return err
				}
				if c.json {
					return c.printProto(resp)
				}
				return c.printLeft(a[1], resp.GetRows())
			})
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why; kept in the record of acts")
	return cmd
}

// printLeft says whether a row goes on.
func (c *cli) printLeft(key string, left []*refoldv1.ParkedRow) error {
	if len(left) > 0 {
		return fmt.Errorf("%w: %s is parked at offset %d: %s", errNotAllWell, key, left[0].GetPosition(), left[0].GetReason())
	}
	_, err := fmt.Fprintf(c.stdout, "%s goes on\n", key)
	return err
}
