package main

import (
	"context"
	"fmt"
	"time"

	"github.com/refold/refold/schemas/api/refoldv1"
)

func (c *cli) runPlan(ctx context.Context, control refoldv1.ControlServiceClient, projection string, w wish) error {
	p, err := control.PlanReplay(ctx, &refoldv1.PlanReplayRequest{Projection: projection, From: w.from, Keys: w.keys, TouchedBy: w.touchedBy})
	if err != nil {
		return err
	}
	if c.json {
		return c.printProto(p)
	}
	return c.printPlan(p, w.from)
}

func (c *cli) printPlan(p *refoldv1.Plan, from string) error {
	begins := "no rows, from the beginning of the log"
	switch {
	case p.GetSnapshot() != "":
		begins = "snapshot " + p.GetSnapshot()
	case from != "beginning":
		begins += ", as no snapshot of this version is here that lies at or before " + from
	}
	eta := "unknown: nothing was rebuilt in this process yet"
	if p.GetEtaSeconds() > 0 {
		eta = fmt.Sprintf("%s at %.0f events/s", time.Duration(p.GetEtaSeconds()*float64(time.Second)).Round(time.Millisecond), p.GetEventsPerSecond())
	}
	t := c.table()
	for _, line := range [][2]string{
		{"replay of", fmt.Sprintf("%s version %d, fold %s, beside generation %d", p.GetProjection(), p.GetVersion(), p.GetFoldHash(), p.GetLive())},
		{"begins with", begins},
		{"events", amount(p.GetEvents())}, {"bytes", amount(p.GetBytes())}, {"rows", amount(p.GetRows())},
		{"effects silenced", amount(p.GetSilenced())},
		{"takes", eta},
	} {
		fmt.Fprintf(t, "%s\t%s\n", line[0], line[1])
	}
	fmt.Fprintln(t, "\nPARTITION\tFROM\tTO\tIN\tHOLE")
	holes := false
	for _, s := range p.GetStretches() {
		fmt.Fprintf(t, "%s/%d\t%d\t%d\t%s\t%d\n", s.GetTopic(), s.GetPartition(), s.GetBegin(), s.GetEnd(), s.GetSource(), s.GetHole())
		holes = holes || s.GetHole() > 0
	}
	if err := t.Flush(); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	if holes {
		return fmt.Errorf("%w: the log lacks what is to be read, and this plan will not be started", errNotAllWell)
	}
	fmt.Fprintf(c.stdout, "\nstart it, with the same flags, by: refold replay start %s --plan %s\n", p.GetProjection(), p.GetHash())
	return nil
}

// amount is a number with how it is known.
func amount(f *refoldv1.Figure) string {
	switch f.GetKnown() {
	case refoldv1.Knowledge_KNOWLEDGE_COUNTED:
		return fmt.Sprintf("%d (counted)", f.GetValue())
	case refoldv1.Knowledge_KNOWLEDGE_ESTIMATED:
		return fmt.Sprintf("about %d (estimated)", f.GetValue())
	default:
		return "unknown"
	}
}
