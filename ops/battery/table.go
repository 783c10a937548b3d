package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/term"

	"github.com/refold/refold/services/transactions/history"
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
			b.total(), w.recorder.Count(history.OK)+w.recorder.Count(history.Rejected), end)
	}
}

// print prints what was done and what was found, in lines of 80 columns.
func (b *battery) print(out io.Writer) {
	b.printSteps(out)
	b.printOthers(out)
	b.printCalls(out)
	b.printFindings(out)
}

// printSteps prints how often each fault was injected at each step; a step at which there is no such fault
// has a dot.
func (b *battery) printSteps(out io.Writer) {
	wanted := make(map[place]bool)
	rows := make(map[moment][]string)
	for _, f := range b.wanted() {
		wanted[f.place] = true
		if f.column != "" && !slices.Contains(rows[f.at], f.row) {
			rows[f.at] = append(rows[f.at], f.row)
		}
	}
	if len(rows) == 0 || b.many {
		return
	}
	fmt.Fprintf(out, "%-26s%11s%9s%17s\n", "FAULTS OF AN OWNER", "Init", "List", "Add")
	fmt.Fprintf(out, "%-26s%11s%9s%6s%11s%8s%7s\n", "AT A STEP OF ITS COMMIT", "ProducerID", "Offsets", "Fetch", "Partitions", "Produce", "EndTxn")
	for _, at := range []moment{before, after} {
		fmt.Fprintln(out, at)
		for _, row := range rows[at] {
			fmt.Fprintf(out, "  %-24s", row)
			for i, key := range steps() {
				count := "·"
				if p := (place{row, at, key.Name()}); wanted[p] {
					count = fmt.Sprint(b.faults[p])
				}
				fmt.Fprintf(out, "%*s", []int{11, 9, 6, 11, 8, 7}[i], count)
			}
			fmt.Fprintln(out)
		}
	}
	fmt.Fprintln(out)
}

// printOthers prints the faults that belong to no step.
func (b *battery) printOthers(out io.Writer) {
	fmt.Fprintln(out, "OTHER FAULTS")
	for _, p := range slices.SortedFunc(maps.Keys(b.faults), func(a, b place) int { return strings.Compare(a.row, b.row) }) {
		if p.column == "" {
			line(out, p.row, b.faults[p])
		}
	}
	for _, s := range b.skipped {
		paragraph(out, s)
	}
	fmt.Fprintln(out)
}

func (b *battery) printCalls(out io.Writer) {
	fmt.Fprintln(out, "WHAT WAS DONE")
	line(out, "faults injected", b.total())
	line(out, "commands acknowledged", b.calls[history.OK]+b.calls[history.Rejected])
	line(out, "  accepted", b.calls[history.OK])
	line(out, "  rejected", b.calls[history.Rejected])
	line(out, "calls that wrote nothing", b.calls[history.Refused])
	line(out, "calls of unknown outcome", b.calls[history.Unknown])
	if b.rows > 0 {
		line(out, "rows compared with a fold of one task after the other", b.rows)
		line(out, "effects compared with those of that fold", b.effects)
	}
	if b.gap != "" {
		line(out, "longest time without service", b.gap)
	}
	fmt.Fprintln(out)
}

// most is how many findings of a breach are printed.
const most = 5

func (b *battery) printFindings(out io.Writer) {
	counts := make(map[history.Breach]int)
	for _, f := range b.findings {
		counts[f.Breach]++
	}
	fmt.Fprintln(out, "WHAT WAS FOUND")
	for _, breach := range append(history.Breaches(), doubted, ended, broken, strayRows, strayEffects) {
		line(out, string(breach), counts[breach])
	}
	fmt.Fprintln(out)
	printed := make(map[history.Breach]int)
	for _, f := range b.findings {
		if printed[f.Breach]++; printed[f.Breach] <= most {
			paragraph(out, fmt.Sprintf("%s: %s", f.Breach, f))
		}
	}
	for _, p := range b.problems {
		paragraph(out, fmt.Sprint("not done: ", p))
	}
}

// line prints a figure and what it counts.
func line(out io.Writer, what string, figure any) {
	fmt.Fprintf(out, "  %-50s%26v\n", what, figure)
}

// paragraph prints a text in lines that are no longer than a terminal is wide, unless a word is.
func paragraph(out io.Writer, text string) {
	width := 0
	for _, word := range strings.Fields(text) {
		switch {
		case width == 0:
			fmt.Fprint(out, word)
			width = len(word)
		case width+1+len(word) > 78:
			fmt.Fprint(out, "\n  ", word)
			width = 2 + len(word)
		default:
			fmt.Fprint(out, " ", word)
			width += 1 + len(word)
		}
	}
	fmt.Fprintln(out)
}
