package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/refold/refold/ops/exporter"
	"github.com/refold/refold/schemas/table"
	"github.com/refold/refold/streams/topic"
)

func (c *cli) export() *cobra.Command {
	var every time.Duration
	var kafka, registry, format string
	var bucket exporter.BucketConfig
	cmd := &cobra.Command{
		Use:   "export FOLDER|s3://BUCKET/PREFIX",
		Short: "Write what was posted since the last export as files; safe to run again",
		Long: "Write what was posted since the last export as files, into a folder or S3; safe to run again.\n" +
			"Credentials for S3 are AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and\n" +
			"AWS_SESSION_TOKEN, or those of ~/.aws/credentials.",
		Args: args(1),
		RunE: func(cmd *cobra.Command, a []string) error {
			if !slices.Contains(table.Formats(), table.Format(format)) {
				return fmt.Errorf("%w: --format: %q is none of %v", errUsage, format, table.Formats())
			}
			bucket.URL = a[0]
			to, err := exportTo(bucket)
			if err != nil {
				return err
			}
			where, codec, err := c.log(kafka, registry)
			if err != nil {
				return err
			}
			cfg := exporter.Config{Cluster: where, Codec: codec, Topic: topic.Transactions, To: to, Format: table.Format(format)}
			return c.runExport(cmd.Context(), cfg, every)
		},
	}
	cmd.Flags().DurationVar(&every, "every", 0, "go on, and write an increment so often; without it once")
	cmd.Flags().StringVar(&format, "format", string(table.CSV), "what the files are, csv or parquet")
	cmd.Flags().StringVar(&bucket.Endpoint, "s3-endpoint", os.Getenv("AWS_ENDPOINT_URL"), "where S3, or what speaks like it, is, https://HOST:PORT;\nAWS_ENDPOINT_URL says so, too")
	cmd.Flags().StringVar(&bucket.Region, "s3-region", os.Getenv("AWS_REGION"), "the bucket's region; AWS_REGION says so, too")
	cmd.Flags().StringVar(&kafka, "kafka", "", "Kafka address; without it the data folder says")
	cmd.Flags().StringVar(&registry, "registry", "", "registry address; without it the data folder says")
	return cmd
}

// exportTo opens what an export goes to.
func exportTo(cfg exporter.BucketConfig) (exporter.Store, error) {
	if !exporter.IsBucket(cfg.URL) {
		return exporter.OpenFolder(cfg.URL)
	}
	store, err := exporter.OpenBucket(cfg)
	if errors.Is(err, exporter.ErrBucket) {
		return nil, fmt.Errorf("%w: %w", errUsage, err)
	}
	return store, err
}

// runExport writes one increment, or one again and again until ctx ends. An increment that fails ends it, for the
// next one would have to begin where it began.
func (c *cli) runExport(ctx context.Context, cfg exporter.Config, every time.Duration) error {
	if err := c.exportOnce(ctx, cfg); err != nil || every <= 0 {
		return err
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if err := c.exportOnce(ctx, cfg); err != nil && ctx.Err() == nil {
				return err
			}
		case <-ctx.Done():
			return nil
		}
	}
}

func (c *cli) exportOnce(ctx context.Context, cfg exporter.Config) error {
	m, err := exporter.Run(ctx, cfg)
	switch {
	case err != nil:
		return err
	case c.json:
		return c.printJSON(m)
	case m.Number == 0:
		fmt.Fprintln(c.stdout, "nothing was posted since the last export")
		return nil
	}
	rows := int64(0)
	for _, f := range m.Files {
		rows += f.Rows
	}
	fmt.Fprintf(c.stdout, "increment %d: %s in %s\n", m.Number, count(rows, "row"), count(int64(len(m.Files)), "file"))
	return nil
}
