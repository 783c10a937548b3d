package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/refold/refold/ops/battery/history"
	"github.com/refold/refold/schemas/codec"
	"github.com/refold/refold/streams/cluster"
	"github.com/refold/refold/streams/timeline"
	"github.com/refold/refold/streams/topic"
)

// check holds a history against the log of its bank as it is now, and has `refold verify` doubt the log.
func (k *bank) check(ctx context.Context, w *workload) (*history.Checker, []history.Finding, error) {
	c := history.NewChecker()
	if err := history.Read(w.path, c.Op); err != nil {
		return nil, nil, err
	}
	if err := k.read(ctx, c.Record); err != nil {
		return nil, nil, err
	}
	findings := c.Close(w.closed)
	if left := c.Clearing(); left != 0 && k.name == disturbed {
		findings = append(findings, history.Finding{Kind: history.Total, What: fmt.Sprintf("%d is on its way, and no transfer is", left)})
	}
	said, err := k.verify(ctx)
	if said != "" {
		findings = append(findings, history.Finding{Kind: history.Total, What: "refold verify: " + said})
	}
	for _, s := range k.alone() {
		findings = append(findings, history.Finding{Kind: ended, What: s})
	}
	return c, findings, err
}

// Findings that are not about a history.
const (
	// ended is a process that ended and should not have.
	ended history.Kind = "processes ended"
	// broken is a promise that a scene has seen broken.
	broken history.Kind = "broken promises"
)

// recordOf decodes a record. What is no event is a record that says nothing.
func recordOf(ctx context.Context, c *codec.Codec, rec *timeline.Record) (history.Record, error) {
	r := history.Record{Type: "no event"}
	name, fields, err := c.JSON(ctx, rec.Value)
	if err == nil {
		r, err = history.NewRecord(name, fields)
	}
	if err != nil && !errors.Is(err, codec.ErrNotWireFormat) {
		return r, fmt.Errorf("read the log at %d/%d: %w", rec.Partition, rec.Offset, err)
	}
	r.Partition, r.Offset = rec.Partition, rec.Offset
	return r, nil
}

// read reads every committed record, each partition in order.
func (k *bank) read(ctx context.Context, each func(*history.Record)) error {
	ctx, cancel := context.WithTimeout(ctx, 5*patience)
	defer cancel()
	codec, err := k.codec()
	if err != nil {
		return err
	}
	client, err := k.cluster().Client()
	if err != nil {
		return err
	}
	defer client.Close()
	ends, err := cluster.Ends(ctx, client, topic.Transactions)
	if err != nil {
		return err
	}
	reader, err := timeline.NewReader(k.cluster(), timeline.Config{})
	if err != nil {
		return err
	}
	defer reader.Close()
	for p, end := range ends {
		if end == 0 {
			delete(ends, p)
			continue
		}
		reader.Add(topic.Transactions, p, 0)
	}
	for len(ends) > 0 {
		batches, err := reader.Poll(ctx)
		if err != nil {
			return fmt.Errorf("read the log of %s: %w", filepath.Base(k.dir), err)
		}
		for _, b := range batches {
			for _, rec := range b.Records {
				r, err := recordOf(ctx, codec, rec)
				if err != nil {
					return err
				}
				each(&r)
			}
			if b.Next >= ends[b.Partition] {
				delete(ends, b.Partition)
			}
		}
	}
	return nil
}
