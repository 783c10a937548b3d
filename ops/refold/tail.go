package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/refold/refold/ops/node"
	"github.com/refold/refold/schemas/codec"
	"github.com/refold/refold/schemas/registry"
	"github.com/refold/refold/streams/cluster"
	"github.com/refold/refold/streams/timeline"
)

// tailing is what `refold tail` was asked for.
type tailing struct {
	topic, from, kafka, registry string
	partition                    int32
	count                        int
	follow                       bool
}

func (c *cli) tail() *cobra.Command {
	t := tailing{}
	cmd := &cobra.Command{
		Use:   "tail TOPIC",
		Short: "Print the records of a topic as JSON, one a line",
		Args:  args(1),
		RunE: func(cmd *cobra.Command, a []string) error {
			t.topic = a[0]
			return c.runTail(cmd.Context(), t)
		},
	}
	cmd.Flags().StringVar(&t.from, "from", "-10m", "where to begin: beginning, end, an offset, a time (RFC 3339) or how long ago (-1h)")
	cmd.Flags().Int32Var(&t.partition, "partition", -1, "one partition only")
	cmd.Flags().IntVarP(&t.count, "count", "n", 0, "stop after so many records; 0 is never")
	cmd.Flags().BoolVarP(&t.follow, "follow", "f", false, "wait for new records at the end")
	cmd.Flags().StringVar(&t.kafka, "kafka", "", "Kafka address; without it the data folder says")
	cmd.Flags().StringVar(&t.registry, "registry", "", "registry address; without it the data folder says")
	return cmd
}

func (c *cli) runTail(ctx context.Context, t tailing) error {
	kafka, codec, err := c.log(t.kafka, t.registry)
	if err != nil {
		return err
	}
	client, err := kafka.Client()
	if err != nil {
		return err
	}
	defer client.Close()
	bounded, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	ends, err := cluster.Ends(bounded, client, t.topic)
	if errors.Is(err, cluster.ErrNoTopic) {
		return fmt.Errorf("%w: there is no topic %q", errUsage, t.topic)
	}
	if err != nil {
		return err
	}
	if _, there := ends[t.partition]; t.partition >= 0 && !there {
		return fmt.Errorf("%w: --partition: %s has %s, from 0 on, and no %d", errUsage, t.topic, count(int64(len(ends)), "partition"), t.partition)
	}
	starts, err := begin(t.from, ends, func(at time.Time) (cluster.Offsets, error) { return cluster.At(bounded, client, t.topic, at) },
		func() (cluster.Offsets, error) { return cluster.Starts(bounded, client, t.topic) })
	if err != nil {
		return err
	}
	reader, err := timeline.NewReader(kafka, timeline.Config{MaxBytes: 1 << 20})
	if err != nil {
		return err
	}
	defer reader.Close()
	left := make(map[int32]int64)
	for p, from := range starts {
		if t.partition >= 0 && p != t.partition || !t.follow && from >= ends[p] {
			continue
		}
		left[p] = ends[p]
		reader.Add(t.topic, p, from)
	}
	return c.printRecords(ctx, t, reader, codec, left)
}

// log returns how to reach the log of the running refold.
func (c *cli) log(kafka, schemas string) (cluster.Cluster, *codec.Codec, error) {
	if kafka == "" || schemas == "" {
		a, err := node.ReadAddresses(c.data)
		if err != nil {
			return cluster.Cluster{}, nil, fmt.Errorf("%w (start one with `refold up`, or say where it is with --kafka and --registry)", err)
		}
		kafka, schemas = or(kafka, a.Kafka), or(schemas, a.Registry)
	}
	client, err := registry.NewClient(registry.ClientConfig{URLs: []string{"http://" + strings.TrimPrefix(schemas, "http://")}})
	if err != nil {
		return cluster.Cluster{}, nil, err
	}
	return cluster.Cluster{Seeds: strings.Split(kafka, ","), ClientID: "refold-cli"}, codec.New(client), nil
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// begin returns the offsets that --from means.
func begin(from string, ends cluster.Offsets, at func(time.Time) (cluster.Offsets, error), starts func() (cluster.Offsets, error)) (cluster.Offsets, error) {
	switch from {
	case "beginning":
		return starts()
	case "end":
		return ends, nil
	}
	if offset, err := strconv.ParseInt(from, 10, 64); err == nil && offset >= 0 {
		out := make(cluster.Offsets)
		for p := range ends {
			out[p] = offset
		}
		return out, nil
	}
	if t, err := time.Parse(time.RFC3339, from); err == nil {
		return at(t)
	}
	if ago, err := time.ParseDuration(strings.TrimPrefix(from, "-")); err == nil && strings.HasPrefix(from, "-") {
		return at(time.Now().Add(-ago))
	}
	return nil, fmt.Errorf("%w: --from: %q is no beginning, end, offset, time (RFC 3339) or duration such as -1h", errUsage, from)
}

// printRecords prints until every partition is at its end, or the wanted number is reached, or ctx ends.
func (c *cli) printRecords(ctx context.Context, t tailing, reader *timeline.Reader, codec *codec.Codec, left map[int32]int64) error {
	printed := 0
	for t.follow || len(left) > 0 {
		batches, err := reader.Poll(ctx)
		if ctx.Err() != nil {
			return nil // stopped by the user
		}
		if err != nil {
			return err
		}
		for _, b := range batches {
			if errors.Is(b.Err, timeline.ErrHole) {
				return b.Err
			}
			for _, rec := range b.Records {
				if err := c.printRecord(ctx, codec, rec); err != nil {
					return err
				}
				if printed++; printed == t.count {
					return nil
				}
			}
			if b.Next >= left[b.Partition] {
				delete(left, b.Partition)
			}
		}
	}
	return nil
}

// line is a record as tail prints it.
type line struct {
	Topic     string          `json:"topic"`
	Partition int32           `json:"partition"`
	Offset    int64           `json:"offset"`
	Timestamp string          `json:"timestamp"`
	Key       string          `json:"key"`
	Type      string          `json:"type,omitempty"`
	Value     json.RawMessage `json:"value"`
	Problem   string          `json:"problem,omitempty"`
}

func (c *cli) printRecord(ctx context.Context, codec *codec.Codec, rec *timeline.Record) error {
	l := line{
		Topic: rec.Topic, Partition: rec.Partition, Offset: rec.Offset,
		Timestamp: rec.Timestamp.UTC().Format(time.RFC3339Nano), Key: string(rec.Key),
	}
	var err error
	if l.Type, l.Value, err = codec.JSON(ctx, rec.Value); err != nil {
		l.Value, l.Problem = plain(rec.Value), problem(err)
	}
	b, err := json.Marshal(l)
	if err != nil {
		return fmt.Errorf("print record %s/%d at %d: %w", rec.Topic, rec.Partition, rec.Offset, err)
	}
	_, err = fmt.Fprintf(c.stdout, "%s\n", b)
	return err
}

// problem is why a record could not be decoded; that it is plain JSON or text is none.
func problem(err error) string {
	if errors.Is(err, codec.ErrNotWireFormat) {
		return ""
	}
	return err.Error()
}

// plain is a value that is not an event: JSON as it is, else text, else bytes.
func plain(value []byte) json.RawMessage {
	switch {
	case value == nil:
		return json.RawMessage("null")
	case json.Valid(value):
		return value
	}
	var v any = value // in base64
	if utf8.Valid(value) {
		v = string(value)
	}
	b, err := json.Marshal(v)
	if err != nil {
		return json.RawMessage("null")
	}
	return b
}
