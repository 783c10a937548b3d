package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"github.com/refold/refold/projections/store/pebble"
	"github.com/refold/refold/schemas/codec"
	"github.com/refold/refold/schemas/money"
	"github.com/refold/refold/services/transactions"
	"github.com/refold/refold/services/transactions/model"
	"github.com/refold/refold/streams/cluster"
	"github.com/refold/refold/streams/timeline"
	"github.com/refold/refold/streams/topic"
)

// verification is what `refold verify` found: by itself it asks both, its subcommands one.
type verification struct {
	Journal *transactions.Report `json:"journal,omitempty"`
	Model   *model.Report        `json:"model,omitempty"`
}

// check finds out a part of a verification.
type check func(context.Context, *cli, source, *verification) error

// source is the journal that is verified.
type source struct {
	cluster    cluster.Cluster
	codec      *codec.Codec
	partitions int32
}

func (c *cli) verify() *cobra.Command {
	var kafka, registry string
	command := func(use, short string, checks ...check) *cobra.Command {
		return &cobra.Command{
			Use: use, Short: short, Args: args(0),
			RunE: func(cmd *cobra.Command, _ []string) error {
				return c.runVerify(cmd.Context(), kafka, registry, checks)
			},
		}
	}
	cmd := command("verify", "Doubt every record and every outcome of the journal: both of the below", verifyJournal, verifyModel)
	cmd.Long = verifyLong
	cmd.AddCommand(
		command("journal", "Doubt every record: sums, sequences, keys, hash chain", verifyJournal),
		command("model", "Decide every command again by a reference model and compare", verifyModel))
	cmd.PersistentFlags().StringVar(&kafka, "kafka", "", "Kafka address; without it the data folder says")
	cmd.PersistentFlags().StringVar(&registry, "registry", "", "registry address; without it the data folder says")
	return cmd
}

// verifyLong says what is found, and what is not.
const verifyLong = `Read the whole journal and doubt every record and every outcome.

It reads everything anew, and names the first record of each partition that was changed,
is missing, is foreign or is out of order. An instance that serves sees less: it holds
each record that it reads to the ones before it, but reads only those that its saved rows
do not hold yet. A record below them that was changed is found here alone.

A record is held to its hash by the record after it. The last record of a partition has
none after it: of that one no more is proven than what the model makes of its command.
Who takes the partition over holds it to the hash that the saved rows have of it, and does
not serve where it was changed.`

func (c *cli) runVerify(ctx context.Context, kafka, registry string, checks []check) error {
	where, codec, err := c.log(kafka, registry)
	if err != nil {
		return err
	}
	spans, err := timeline.Spans(ctx, where, topic.Transactions)
	if err != nil {
		return err
	}
	limitMemory(256) // it makes much garbage and keeps little
	var v verification
	for _, check := range checks {
		if err := check(ctx, c, source{where, codec, int32(len(spans))}, &v); err != nil {
			return err
		}
	}
	if c.json {
		if err := c.printJSON(v); err != nil {
			return err
		}
	}
	return v.verdict()
}

func verifyJournal(ctx context.Context, c *cli, s source, v *verification) error {
	b := newBar(c.stderr, "verify journal")
	defer b.finish()
	report, err := transactions.Verifier{
		Cluster: s.cluster, Codec: s.codec, Topic: topic.Transactions, Partitions: s.partitions, Progress: b.count,
	}.Verify(ctx)
	if err != nil {
		return err
	}
	v.Journal = &report
	if !c.json {
		printJournal(c.stdout, report)
	}
	return nil
}

// cacheBytes bounds what the model keeps of its temporary database in memory.
const cacheBytes = 32 << 20

func verifyModel(ctx context.Context, c *cli, s source, v *verification) (err error) {
	dir, err := os.MkdirTemp("", "refold-model-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	stores := pebble.New(dir, cacheBytes, slog.New(slog.DiscardHandler))
	defer stores.Close()
	b := newBar(c.stderr, "verify model")
	defer b.finish()
	report, err := model.Verifier{
		Cluster: s.cluster, Codec: s.codec, Topic: topic.Transactions, Stores: stores, Progress: b.count,
	}.Verify(ctx)
	if err != nil {
		return err
	}
	v.Model = &report
	if !c.json {
		printModel(c.stdout, report)
	}
	return nil
}

// verdict is the error of a journal in which not all is well.
func (v verification) verdict() error {
	found, records := int64(0), int64(0)
	if v.Journal != nil {
		found, records = v.Journal.Found, v.Journal.Records
	}
	if v.Model != nil {
		found, records = found+v.Model.Found, max(records, v.Model.Records)
	}
	if found == 0 {
		return nil
	}
	return fmt.Errorf("%w: %s in %s", errNotAllWell, count(found, "problem"), count(records, "record"))
}

func printJournal(out io.Writer, r transactions.Report) {
	fmt.Fprintf(out, "%d records, %d entries, %d accounts: %s\n", r.Records, r.Entries, r.Accounts, count(r.Found, "problem"))
	for _, currency := range slices.Sorted(maps.Keys(r.Totals)) {
		fmt.Fprintf(out, "%s: all balances sum to %s\n", currency, money.Format(r.Totals[currency], currency))
	}
	for _, p := range r.Problems {
		fmt.Fprintln(out, p)
	}
}

func printModel(out io.Writer, r model.Report) {
	fmt.Fprintf(out, "%d outcomes held against the model, %d of them rejections, and %d expiries: %s\n",
		r.Accepted+r.Rejected, r.Rejected, r.Expired, count(r.Found, "problem"))
	if r.NotCompared > 0 {
		fmt.Fprintf(out, "%d rejections were not compared: they are of before rejections kept their command\n", r.NotCompared)
	}
	for _, p := range r.Problems {
		fmt.Fprintln(out, p)
	}
}
