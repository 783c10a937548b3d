package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/refold/refold/schemas/api/refoldv1"
)

func (c *cli) why() *cobra.Command {
	var at, page string
	var limit int32
	cmd := &cobra.Command{
		Use:   "why PROJECTION KEY [SORT]",
		Short: "Show the events that made a row, newest first, and where they stand",
		Args: func(cmd *cobra.Command, a []string) error {
			if len(a) == 2 {
				return nil
			}
			return args(3)(cmd, a)
		},
		RunE: func(cmd *cobra.Command, a []string) error {
			r := &refoldv1.WhyRequest{Projection: a[0], PartitionKey: a[1], PageSize: limit, PageToken: page}
			if len(a) == 3 {
				r.SortKey = a[2]
			}
			if at != "" {
				t, err := time.Parse(time.RFC3339Nano, at)
				if err != nil {
					return fmt.Errorf("%w: --at: %q is no time such as 2024-01-31T12:00:00Z", errUsage, at)
				}
				r.AsOfTime = timestamppb.New(t)
			}
			return c.withControl(func(control refoldv1.ControlServiceClient) error { return c.runWhy(cmd.Context(), control, r) })
		},
	}
	cmd.Flags().StringVar(&at, "at", "", "the row as it was recorded then, RFC 3339; without it as it is")
	cmd.Flags().Int32Var(&limit, "limit", 20, "show at most so many events")
	cmd.Flags().StringVar(&page, "page", "", "show the events before those of another page, by its token")
	return cmd
}

func (c *cli) runWhy(ctx context.Context, control refoldv1.ControlServiceClient, r *refoldv1.WhyRequest) error {
	resp, err := control.Why(ctx, r)
	if err != nil {
		return err
	}
	if c.json {
		return c.printProto(resp)
	}
	return c.printWhy(resp)
}

func (c *cli) printWhy(resp *refoldv1.WhyResponse) error {
	if len(resp.GetCauses()) == 0 {
		fmt.Fprintln(c.stdout, "none: no event made such a row. KEY is a customer or an account, SORT what the projection puts behind it")
		return nil
	}
	fmt.Fprintf(c.stdout, "%s/%d, generation %d\n", resp.GetCauses()[0].GetTopic(), resp.GetCauses()[0].GetPartition(), resp.GetFreshness().GetGeneration())
	t := c.table()
	fmt.Fprintln(t, "OFFSET\tEVENT\tRECORDED\tOCCURRED\tCHANGED")
	for _, x := range resp.GetCauses() {
		changed := "yes"
		if !x.GetChanged() {
			changed = "no"
		}
		at := strconv.FormatInt(x.GetOffset(), 10)
		if x.GetTopic() != resp.GetCauses()[0].GetTopic() {
			at = x.GetTopic() + " " + at
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", at, strings.TrimPrefix(x.GetEvent(), "bank."),
			when(x.GetRecordedAt().AsTime()), when(x.GetOccurredAt().AsTime()), changed)
	}
	if err := t.Flush(); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	if resp.GetFreshness().GetScanned() {
		fmt.Fprintln(c.stdout, "this row has no trail: its whole partition was read")
	}
	if next := resp.GetNextPageToken(); next != "" {
		fmt.Fprintln(c.stdout, "there are more: --page "+next)
	}
	return nil
}
