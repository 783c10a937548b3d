// Package exporter writes what the bank has posted into CSV or Parquet files, increment by increment, for whoever loads it
// elsewhere.
//
// An increment holds the entries between two positions of every partition, and nothing that an earlier one held:
// where the next one begins stands in the manifest, which is the progress and nothing else is. Data comes first,
// the manifest after: a run that fails in between leaves files that no manifest names, and the next run writes
// them anew. So a reader who loads the files that manifests name, in their order, gets every row once, whatever
// failed when.
//
// A store, a folder or a place in a bucket of S3, holds one export of one log:
//
//	entries/p07-812-1040.csv    rows of partition 7 from position 812 up to, not including, 1040
//	manifest/00000003.json      what the third increment holds, and the digest of the manifest before it
//
// The name of a file says what is in it, so that two runs write the same under one name, or something else under
// another. A row is one customer's leg of an entry. (partition, offset, leg) is its key. In CSV a text that a spreadsheet
// would take for a formula has an apostrophe before it. Increments of one export may be of different formats.
package exporter

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/refold/refold/schemas/codec"
	"github.com/refold/refold/schemas/event"
	"github.com/refold/refold/schemas/table"
	"github.com/refold/refold/streams/cluster"
	"github.com/refold/refold/streams/timeline"
)

// Config says what is exported, and where to. All but Format must be set.
type Config struct {
	Cluster cluster.Cluster
	Codec   *codec.Codec
	// Topic is the journal's topic.
	Topic string
	// To is where the export is.
	To Store
	// Format is what the files of the increment are; CSV where it is empty.
	Format table.Format
}

func (c Config) format() table.Format { return cmp.Or(c.Format, table.CSV) }

// Where files are in a store.
const (
	entriesFolder  = "entries"
	manifestFolder = "manifest"
)

// ErrManifest is wrapped where the manifests do not follow from each other, or are of another log: to go on would
// be to repeat rows or to miss some.
var ErrManifest = errors.New("the export cannot be continued")

// Run writes one increment: what was committed since the last one, up to the ends of the log at its beginning. It
// returns its manifest, whose Number is 0 where there was nothing to write. Two runs at once are safe: one of them
// fails.
func Run(ctx context.Context, cfg Config) (Manifest, error) {
	m, err := cfg.run(ctx)
	if err != nil {
		return Manifest{}, fmt.Errorf("export %s to %s: %w", cfg.Topic, cfg.To, err)
	}
	return m, nil
}

func (c Config) run(ctx context.Context) (Manifest, error) {
	log, err := c.log(ctx)
	if err != nil {
		return Manifest{}, err
	}
	done, err := c.progress(ctx, log)
	if err != nil {
		return Manifest{}, err
	}
	spans, err := timeline.Spans(ctx, c.Cluster, c.Topic)
	if err != nil {
		return Manifest{}, err
	}
	maps.DeleteFunc(spans, func(p int32, s timeline.Span) bool { return done.next[p] >= s.End })
	for p, s := range spans {
		if next, begun := done.next[p]; begun {
			s.Start = next // where the log begins later, the scan finds a hole
			spans[p] = s
		}
	}
	if len(spans) == 0 {
		return Manifest{}, nil
	}
	m := Manifest{Number: done.number + 1, Topic: c.Topic, Log: log, Previous: done.digest}
	if m.Files, err = c.write(ctx, spans); err != nil {
		return Manifest{}, err
	}
	return m, c.publish(ctx, m)
}

// log returns the identity of the topic, which another one of the same name does not have.
func (c Config) log(ctx context.Context) (string, error) {
	reader, err := timeline.NewReader(c.Cluster, timeline.Config{})
	if err != nil {
		return "", err
	}
	defer reader.Close()
	id, err := reader.LogID(ctx, c.Topic)
	return hex.EncodeToString(id[:]), err
}

// write writes the rows of some spans, and returns what was written.
func (c Config) write(ctx context.Context, spans map[int32]timeline.Span) (files []File, err error) {
	open := make(map[int32]*file)
	defer func() {
		for _, f := range open {
			err = errors.Join(err, f.abandon())
		}
	}()
	for p, s := range spans {
		f, err := c.create(p, s)
		if err != nil {
			return nil, err
		}
		open[p] = f
	}
	err = timeline.Scan(ctx, c.Cluster, c.Topic, spans, func(b timeline.Batch) error {
		for _, rec := range b.Records {
			if err := open[b.Partition].record(ctx, c.Codec, rec); err != nil {
				return fmt.Errorf("offset %d: %w", rec.Offset, err)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, p := range slices.Sorted(maps.Keys(open)) {
		written, err := open[p].finish(ctx, c.To)
		if err != nil {
			return nil, err
		}
		files = append(files, written)
	}
	return files, nil
}

// posted are the fields of EntryPosted that are exported.
type posted struct {
	EventID    string       `avro:"event_id"`
	RecordedAt event.Micros `avro:"recorded_at"`
	OccurredAt event.Micros `avro:"occurred_at"`
	Kind       string       `avro:"kind"`
	Legs       []leg        `avro:"legs"`
	Merchant   string       `avro:"merchant"`
	MCC        string       `avro:"mcc"`
	Category   string       `avro:"category"`
	RefundOf   string       `avro:"refund_of"`
	Reverses   string       `avro:"reverses"`
}

type leg struct {
	AccountID         string `avro:"account_id"`
	AmountMinor       int64  `avro:"amount_minor"`
	Currency          string `avro:"currency"`
	BalanceAfterMinor int64  `avro:"balance_after_minor"`
	AccountSeq        int64  `avro:"account_seq"`
}
