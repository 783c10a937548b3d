package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/refold/refold/ops/importer"
	"github.com/refold/refold/schemas/api/bankv1"
	"github.com/refold/refold/schemas/money"
)

func (c *cli) importFile() *cobra.Command {
	var format, rejects string
	cmd := &cobra.Command{
		Use:   "import FILE",
		Short: "Import transactions from a csv or csv.gz file; safe to run again",
		Args:  args(1),
		RunE: func(cmd *cobra.Command, a []string) error {
			f, err := importer.Lookup(format)
			if err != nil {
				return fmt.Errorf("%w: --format: %w", errUsage, err)
			}
			conn, err := c.dial()
			if err != nil {
				return err
			}
			defer conn.Close()
			return c.runImport(cmd.Context(), importer.Config{
				Client: bankv1.NewTransactionsServiceClient(conn), Format: f, File: a[0], Rejects: rejects,
			})
		},
	}
	cmd.Flags().StringVar(&format, "format", "", "how the file is read: "+strings.Join(importer.Names(), ", "))
	cmd.Flags().StringVar(&rejects, "rejects", "", "where rejected rows go; FILE.rejects.csv in the current folder where it is left out")
	return cmd
}

// runImport imports with a progress bar and prints what came of it.
func (c *cli) runImport(ctx context.Context, cfg importer.Config) error {
	bar := newBar(c.stderr, "import")
	cfg.Progress = func(p importer.Progress) {
		words := fmt.Sprintf(" %d rows, %.0f/s", p.Rows, p.Rate)
		if p.ETA > 0 {
			words += ", " + p.ETA.Round(time.Second).String() + " to go"
		}
		if p.Rejected > 0 {
			words += fmt.Sprintf(", %d rejected", p.Rejected)
		}
		if p.Waiting != "" {
			words += ", waiting: " + p.Waiting
		}
		bar.say(p.Bytes, p.TotalBytes, words)
	}
	s, err := importer.Run(ctx, cfg)
	bar.finish()
	if c.json {
		if problem := c.printJSON(s); problem != nil {
			return problem
		}
	} else {
		c.summarise(s)
	}
	if err != nil {
		return err
	}
	if s.Rejected > 0 {
		return fmt.Errorf("%w: %d of %d rows were rejected, see %s", errNotAllWell, s.Rejected, s.Rows, s.RejectsFile)
	}
	return nil
}

func (c *cli) summarise(s importer.Summary) {
	fmt.Fprintf(c.stdout, "%d rows of %d accounts in %s (%.0f/s): %d posted, %d were there already, %d rejected\n",
		s.Rows, s.Accounts, s.Elapsed.Round(10*time.Millisecond), float64(s.Rows)/max(s.Elapsed.Seconds(), 0.001), s.Accepted, s.Replayed, s.Rejected)
	for _, currency := range slices.Sorted(maps.Keys(s.Sums)) {
		sum := s.Sums[currency]
		fmt.Fprintf(c.stdout, "%s: %s in, %s out, of it %d refunds of %s\n", currency,
			money.Format(sum.InMinor, currency), money.Format(sum.OutMinor, currency), sum.Refunds, money.Format(sum.RefundsMinor, currency))
	}
}
