package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/refold/refold/schemas/api/refoldv1"
)

func (c *cli) snapshot() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "snapshot",
		Short: "Keep the rows of a projection as they are, for replays to begin with",
		Args:  args(0),
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	var reason string
	create := &cobra.Command{
		Use:   "create PROJECTION",
		Short: "Write the rows of the live generation to a Parquet file in the data folder",
		Args:  args(1),
		RunE: func(cmd *cobra.Command, a []string) error {
			return c.withControl(func(control refoldv1.ControlServiceClient) error {
				s, err := control.CreateSnapshot(cmd.Context(), &refoldv1.CreateSnapshotRequest{Projection: a[0], Reason: reason})
				if err != nil {
					return err
				}
				if c.json {
					return c.printProto(s)
				}
				fmt.Fprintf(c.stdout, "%s: %d rows of generation %d\n", s.GetName(), s.GetRows(), s.GetGeneration())
				return nil
			})
		},
	}
	create.Flags().StringVar(&reason, "reason", "", "why; kept in the record of acts")
	list := &cobra.Command{
		Use:   "list PROJECTION",
		Short: "Show the snapshots of a projection, oldest first",
		Args:  args(1),
		RunE: func(cmd *cobra.Command, a []string) error {
			return c.withControl(func(control refoldv1.ControlServiceClient) error {
				resp, err := control.ListSnapshots(cmd.Context(), &refoldv1.ListSnapshotsRequest{Projection: a[0]})
				if err != nil {
					return err
				}
				if c.json {
					return c.printProto(resp)
				}
				return c.printSnapshots(resp.GetSnapshots())
			})
		},
	}
	cmd.AddCommand(create, list)
	return cmd
}

func (c *cli) printSnapshots(all []*refoldv1.Snapshot) error {
	t := c.table()
	fmt.Fprintln(t, "SNAPSHOT\tVERSION\tROWS\tHERE\tMADE\tBY\tREASON")
	for _, s := range all {
		here := "yes"
		if !s.GetHere() {
			here = "no"
		}
		fmt.Fprintf(t, "%s\t%d\t%d\t%s\t%s\t%s\t%s\n", s.GetName(), s.GetVersion(), s.GetRows(), here, when(s.GetCreatedAt().AsTime()), s.GetPrincipal(), s.GetReason())
	}
	if err := t.Flush(); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return nil
}
