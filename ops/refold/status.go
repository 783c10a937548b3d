package main

import (
	"context"
	"fmt"
	"io"
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
	return c.printStatus(resp.GetProjections())
}

// printStatus prints a table that fits 80 columns, and below it what is wrong with a generation. Versions and
// hashes are left to --json.
func (c *cli) printStatus(projections []*refoldv1.Projection) error {
	t := c.table()
	var problems strings.Builder
	fmt.Fprintln(t, "GENERATION\tSTATE\tLAG\tBEHIND\tEVENTS/S\tLAST EVENT")
	for _, p := range projections {
		for _, g := range p.GetGenerations() {
			if g.GetState() == refoldv1.GenerationState_GENERATION_STATE_CANCELLED {
				continue
			}
			name := fmt.Sprintf("%s-%d", p.GetName(), g.GetNumber())
			fmt.Fprintf(t, "%s\t%s\t%d\t%s\t%.0f\t%s\n", name, state(g.GetState()),
				g.GetLagEvents(), age(g.GetLagSeconds()), g.GetEventsPerSecond(), eventTime(g))
			if alarm := g.GetDrill().GetAlarm(); alarm != "" {
				fmt.Fprintf(&problems, "%s: the drill of %s: %s\n", name, when(g.GetDrill().GetAt().AsTime()), strings.ReplaceAll(alarm, "\n", "; "))
			}
			if n := g.GetParkedRows(); n > 0 {
				fmt.Fprintf(&problems, "%s: %d rows are parked, see refold parked list %s\n", name, n, p.GetName())
			}
			if g.GetError() != "" {
				fmt.Fprintf(&problems, "%s is %s: %s\n", name, state(g.GetState()), strings.ReplaceAll(g.GetError(), "\n", "; "))
			}
		}
	}
	if err := t.Flush(); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	_, err := io.WriteString(c.stdout, problems.String())
	return err
}

// age returns seconds in the largest unit that leaves at least two of it.
func age(seconds float64) string {
	switch {
	case seconds < 120:
		return fmt.Sprintf("%.1fs", seconds)
	case seconds < 2*60*60:
		return fmt.Sprintf("%.0fm", seconds/60)
	case seconds < 2*24*60*60:
		return fmt.Sprintf("%.0fh", seconds/60/60)
	}
	return fmt.Sprintf("%.0fd", seconds/24/60/60)
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
