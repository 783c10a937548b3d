package main

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/spf13/cobra"

	"github.com/refold/refold/schemas/money"
	"github.com/refold/refold/services/transactions"
	"github.com/refold/refold/streams/cluster"
	"github.com/refold/refold/streams/topic"
)

func (c *cli) verify() *cobra.Command {
	var kafka, registry string
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Read the whole journal and doubt every record: sums, sequences, hash chain",
		Args:  args(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.runVerify(cmd.Context(), kafka, registry)
		},
	}
	cmd.Flags().StringVar(&kafka, "kafka", "", "Kafka address; without it the data folder says")
	cmd.Flags().StringVar(&registry, "registry", "", "registry address; without it the data folder says")
	return cmd
}

func (c *cli) runVerify(ctx context.Context, kafka, registry string) error {
	where, codec, err := c.log(kafka, registry)
	if err != nil {
		return err
	}
	client, err := where.Client()
	if err != nil {
		return err
	}
	defer client.Close()
	ends, err := cluster.Ends(ctx, client, topic.Transactions)
	if err != nil {
		return err
	}
	report, err := transactions.Verifier{
		Cluster: where, Codec: codec, Topic: topic.Transactions, Partitions: int32(len(ends)),
	}.Verify(ctx)
	if err != nil {
		return err
	}
	if c.json {
		if err := c.printJSON(report); err != nil {
			return err
		}
	} else {
		c.printReport(report)
	}
	if report.Found > 0 {
		return fmt.Errorf("%w: %d problems in %d records", errNotAllWell, report.Found, report.Records)
	}
	return nil
}

func (c *cli) printReport(r transactions.Report) {
	fmt.Fprintf(c.stdout, "%d records, %d entries, %d accounts: %d problems\n", r.Records, r.Entries, r.Accounts, r.Found)
	for _, currency := range slices.Sorted(maps.Keys(r.Totals)) {
		fmt.Fprintf(c.stdout, "%s: all balances sum to %s\n", currency, money.Format(r.Totals[currency], currency))
	}
	for _, p := range r.Problems {
		fmt.Fprintln(c.stdout, p)
	}
}
