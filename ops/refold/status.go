package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/refold/refold/schemas/api/refoldv1"
)

func (c *cli) status() *cobra.Command {
	return &cobra.Command{
		Use:   "status",
		Short: "Show every projection: generation, state, lag, rate",
		Args:  args(0),
		RunE:  func(cmd *cobra.Command, _ []string) error { return c.runStatus(cmd.Context()) },
	}
}

func (c *cli) runStatus(ctx context.Context) error {
	conn, err := c.dial()
	if err != nil {
		return err
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	resp, err := refoldv1.NewControlServiceClient(conn).ListProjections(ctx, &refoldv1.ListProjectionsRequest{})
	if err != nil {
		return err
	}
	if c.json {
		return c.printProto(resp)
	}
	t := c.table()
	fmt.Fprintln(t, "PROJECTION\tGENERATION\tVERSION\tSTATE\tLAG\tSECONDS\tEVENTS/S\tLAST EVENT\t")
	for _, p := range resp.GetProjections() {
		for _, g := range p.GetGenerations() {
			if g.GetState() == refoldv1.GenerationState_GENERATION_STATE_CANCELLED {
				continue
			}
			fmt.Fprintf(t, "%s\t%d\t%d\t%s\t%d\t%.1f\t%.0f\t%s\t%s\n", p.GetName(), g.GetNumber(), g.GetVersion(), state(g.GetState()),
				g.GetLagEvents(), g.GetLagSeconds(), g.GetEventsPerSecond(), eventTime(g), g.GetError())
		}
	}
	return t.Flush()
}

func eventTime(g *refoldv1.Generation) string {
	if g.GetEventTime() == nil {
		return "-"
	}
	return when(g.GetEventTime().AsTime())
}

// state returns the word for a state, without what the API puts before it.
func state(s refoldv1.GenerationState) string {
	return strings.ToLower(strings.TrimPrefix(s.String(), "GENERATION_STATE_"))
}
