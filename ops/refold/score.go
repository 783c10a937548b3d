package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/refold/refold/ops/evaluation"
)

func (c *cli) score() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "score",
		Short: "Judge the credit score",
		Args:  args(0),
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(c.evaluate())
	return cmd
}

func (c *cli) evaluate() *cobra.Command {
	var seed uint64
	cmd := &cobra.Command{
		Use:   "evaluate --data DIR",
		Short: "Score accounts on the day of their loan, and tell how well the score foretold its end",
		Long: "Score accounts on the day of their loan, and tell how well the score foretold its end.\n" +
			"DIR holds transactions.csv.gz and loans.csv.gz of the PKDD'99 challenge, or a folder berka\nwith them. Nothing is kept.",
		Args: args(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			cases, err := evaluation.Read(cmd.Context(), loansFolder(c.data))
			if err != nil {
				return err
			}
			r, err := evaluation.Judge(cases, seed)
			if err != nil {
				return err
			}
			if c.json {
				return c.printJSON(r)
			}
			return c.printEvaluation(r)
		},
	}
	cmd.Flags().Uint64Var(&seed, "seed", 1, "of the random samples")
	return cmd
}

// loansFolder returns the folder with the loans, which may be one below.
func loansFolder(folder string) string {
	below := filepath.Join(folder, "berka")
	if _, err := os.Stat(filepath.Join(below, "loans.csv.gz")); err == nil {
		return below
	}
	return folder
}

func (c *cli) printEvaluation(r evaluation.Report) error {
	fmt.Fprintf(c.stdout, "%d loans that ended well, %d that did not, scored on the day of their grant with model %d\n", r.Good, r.Bad, r.Model)
	fmt.Fprintf(c.stdout, "AUC, good above bad: %.3f, in 95 of 100 samples between %.3f and %.3f (seed %d)\n", r.AUC, r.Low, r.High, r.Seed)
	fmt.Fprintf(c.stdout, "in folds of a fifth: %.3f ± %.3f; with points learnt from the other folds: %.3f ± %.3f\n\n",
		r.Fixed.Mean, r.Fixed.Deviation, r.Learnt.Mean, r.Learnt.Deviation)
	t := c.table()
	fmt.Fprintln(t, "FACTOR\tPOINTS\tGOOD\tBAD\tALONE\tWITHOUT\tMEANING")
	for _, f := range r.Factors {
		fmt.Fprintf(t, "%s\t\t\t\t%.3f\t%.3f\t%s\n", f.Name, f.Alone, f.Without, f.About)
		for _, b := range f.Bins {
			fmt.Fprintf(t, "\t%d\t%d\t%d\t\t\t%s\n", b.Points, b.Good, b.Bad, b.Words)
		}
	}
	return t.Flush()
}
