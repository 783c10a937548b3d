// Command bench measures Refold on a data set that it makes, and prints one table: every figure beside the
// limit it is to be compared with, taken in the same run.
//
//	go run ./ops/bench [-only PART,…] [-events N] [-rows N] [-entries N] [-keys N] [-customers N] [-keep DIR] [-profile DIR]
//
// The parts are listed in parts.go; each can be measured alone, some of them in seconds.
//
// Where BENCH_OUT names a file, the table is written there as JSON, too. Machines are noisy: what counts
// are the ratios.
package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
	"text/tabwriter"
)

// figure is one line of the table.
type figure struct {
	Name  string  `json:"name"`
	Value float64 `json:"value"`
	Unit  string  `json:"unit"`
	// Ratio is the value as a share of the limit that Of names; 0 where there is none.
	Ratio float64 `json:"ratio,omitempty"`
	Of    string  `json:"of,omitempty"`
	// Goal is what should be reached, in words.
	Goal string `json:"goal,omitempty"`
}

// bench collects figures.
type bench struct {
	events, customers, rows, entries, keys int

	only    []string // the parts to measure
	keep    string   // the folder for logs that are used again, or ""
	profile string   // the folder for profiles of the processor, or ""
	dir     string
	figures []figure
}

func (b *bench) add(f figure) {
	b.figures = append(b.figures, f)
	fmt.Fprintf(os.Stderr, "%s: %.4g %s\n", f.Name, f.Value, f.Unit)
}

// value returns a figure measured before.
func (b *bench) value(name string) float64 {
	for _, f := range b.figures {
		if f.Name == name {
			return f.Value
		}
	}
	return 0
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	work := run
	if address := os.Getenv(asVerifier); address != "" {
		work = func(ctx context.Context) error { return verifier(ctx, address, os.Args[1]) }
	}
	if asked := os.Getenv(asReader); asked != "" {
		work = func(ctx context.Context) error { return readAs(ctx, asked) }
	}
	err := work(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	b := &bench{}
	flag.IntVar(&b.events, "events", 2_000_000, "events to rebuild from")
	flag.IntVar(&b.customers, "customers", customers, "customers of the logs of full and lean")
	flag.StringVar(&b.keep, "keep", "", "the folder in which the logs of full and lean are kept for the next run")
	flag.StringVar(&b.profile, "profile", "", "the folder to write profiles of the processor to, of full and lean")
	flag.IntVar(&b.rows, "rows", 127_098, "rows to import")
	flag.IntVar(&b.entries, "entries", 1_000_000, "entries of the partition that is taken over")
	flag.IntVar(&b.keys, "keys", 10_000_000, "idempotency keys to remember")
	only := flag.String("only", strings.Join(usual, ","), "the parts to measure, of "+strings.Join(all(), ","))
	flag.Parse()
	var err error
	if b.only, err = choose(*only); err != nil {
		return err
	}
	if b.dir, err = os.MkdirTemp("", "refold-bench-"); err != nil {
		return fmt.Errorf("make a folder: %w", err)
	}
	for _, measure := range []func(context.Context) error{
		b.log, b.server, b.journal, b.takeover, b.remember, b.replays, b.models, func(context.Context) error { return b.print() },
	} {
		if err = measure(ctx); err != nil {
			break
		}
	}
	return errors.Join(err, os.RemoveAll(b.dir))
}

func (b *bench) print() error {
	fmt.Printf("%s, %d cores, %s\n", runtime.GOOS+"/"+runtime.GOARCH, runtime.NumCPU(), runtime.Version())
	t := tabwriter.NewWriter(os.Stdout, 0, 4, 2, ' ', 0)
	fmt.Fprintln(t, "FIGURE\tVALUE\t\tRATIO\tGOAL")
	for _, f := range b.figures {
		ratio := "-"
		if f.Ratio > 0 {
			ratio = fmt.Sprintf("%.2f of %s", f.Ratio, f.Of)
		}
		fmt.Fprintf(t, "%s\t%.4g\t%s\t%s\t%s\n", f.Name, f.Value, f.Unit, ratio, cmp.Or(f.Goal, "-"))
	}
	if err := t.Flush(); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	out := os.Getenv("BENCH_OUT")
	if out == "" {
		return nil
	}
	j, err := json.MarshalIndent(b.figures, "", "  ")
	if err != nil {
		return fmt.Errorf("write %s: %w", out, err)
	}
	if err := os.WriteFile(out, append(j, '\n'), 0o644); err != nil {
		return fmt.Errorf("write %s: %w", out, err)
	}
	return nil
}
