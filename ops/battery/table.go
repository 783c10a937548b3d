package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"text/tabwriter"
	"time"

	"golang.org/x/term"

	"github.com/refold/refold/ops/battery/history"
)

// show says how far the run is: in one line that moves on a terminal, in a line now and then elsewhere.
func (b *battery) show(ctx context.Context, w *workload) {
	every, begin, end := 15*time.Second, "", "\n"
	if term.IsTerminal(int(os.Stderr.Fd())) {
		every, begin, end = 500*time.Millisecond, "\r\x1b[K", ""
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for began := time.Now(); ; {
		select {
		case <-tick.C:
		case <-ctx.Done():
			fmt.Fprint(os.Stderr, begin)
			return
		}
		fmt.Fprintf(os.Stderr, "%s%s of %s: %d faults, %d commands acknowledged%s", begin, time.Since(began).Round(time.Second), b.long,
			b.total(), w.writer.Count(history.OK)+w.writer.Count(history.Rejected), end)
	}
}

// print prints what was done and what was found.
func (b *battery) print(out io.Writer) {
	t := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	fmt.Fprint(t, "OWNER, AT A STEP")
	for _, key := range steps() {
		fmt.Fprintf(t, "\t%s", key.Name())
	}
	fmt.Fprintln(t)
	rows := slices.Collect(maps.Keys(b.faults))
	for _, row := range b.rows(rows, true) {
		fmt.Fprint(t, row)
		for _, key := range steps() {
			fmt.Fprintf(t, "\t%d", b.faults[place{row, key.Name()}])
		}
		fmt.Fprintln(t)
	}
	_ = t.Flush()
	fmt.Fprintln(out)
	fmt.Fprintln(t, "OTHER FAULTS\t")
	for _, row := range b.rows(rows, false) {
		fmt.Fprintf(t, "%s\t%d\n", row, b.faults[place{row, ""}])
	}
	for _, s := range b.skipped {
		fmt.Fprintf(t, "%s\tskipped\n", s)
	}
	_ = t.Flush()
	fmt.Fprintln(out)
	b.printFindings(out)
}

func (b *battery) rows(places []place, steps bool) []string {
	seen := make(map[string]bool)
	for _, p := range places {
		if (p.column != "") == steps {
			seen[p.row] = true
		}
	}
	return slices.Sorted(maps.Keys(seen))
}

// most is how many findings of a kind are printed.
const most = 5

func (b *battery) printFindings(out io.Writer) {
	t := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	fmt.Fprintf(t, "faults injected\t%d\n", b.total())
	fmt.Fprintf(t, "commands acknowledged\t%d\n", b.calls[history.OK]+b.calls[history.Rejected])
	fmt.Fprintf(t, "  accepted\t%d\n", b.calls[history.OK])
	fmt.Fprintf(t, "  rejected\t%d\n", b.calls[history.Rejected])
	fmt.Fprintf(t, "calls that wrote nothing\t%d\n", b.calls[history.Refused])
	fmt.Fprintf(t, "calls of unknown outcome\t%d\n", b.calls[history.Unknown])
	counts := make(map[history.Kind]int)
	for _, f := range b.findings {
		counts[f.Kind]++
	}
	for _, k := range append(history.Kinds(), ended, broken) {
		fmt.Fprintf(t, "%s\t%d\n", k, counts[k])
	}
	fmt.Fprintf(t, "longest gap in service\t%s\n", b.gap)
	fmt.Fprintf(t, "seed\t%d\n", b.seed)
	_ = t.Flush()
	printed := make(map[history.Kind]int)
	for _, f := range b.findings {
		if printed[f.Kind]++; printed[f.Kind] <= most {
			fmt.Fprintln(out, f)
		}
	}
	for _, p := range b.problems {
		fmt.Fprintln(out, "not done:", p)
	}
}
