package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/refold/refold/schemas/codec"
	"github.com/refold/refold/services/transactions"
	"github.com/refold/refold/services/transactions/history"
	"github.com/refold/refold/streams/cluster"
	"github.com/refold/refold/streams/timeline"
	"github.com/refold/refold/streams/topic"
)

// check holds a history against the log of its bank as it is now, and has `refold verify` doubt the log.
func (k *bank) check(ctx context.Context, w *workload) (*history.Checker, []history.Finding, error) {
	c := history.NewChecker()
	if err := w.replay(c.Event); err != nil {
		return nil, nil, err
	}
	if err := k.read(ctx, c.Record); err != nil {
		return nil, nil, err
	}
	findings := append(c.Close(), c.Closed(w.closed)...)
	if k.name == disturbed || k.many {
		findings = append(findings, c.Drained()...)
	}
	said, err := k.verify(ctx)
	if said != "" {
		findings = append(findings, history.Finding{Breach: doubted, What: said})
	}
	for _, s := range k.alone() {
		findings = append(findings, history.Finding{Breach: ended, What: s})
	}
	return c, findings, err
}

// Findings that are not about a history.
const (
	// doubted is what refold verify has said.
	doubted history.Breach = "doubts of refold verify"
	// ended is a process that ended and should not have.
	ended history.Breach = "processes ended"
	// broken is a promise that a scene has seen broken.
	broken history.Breach = "broken promises"
)

// recordOf decodes a record, which may be somebody else's.
func recordOf(ctx context.Context, c *codec.Codec, rec *timeline.Record) (history.Record, error) {
	r := history.Record{Partition: rec.Partition, Offset: rec.Offset, Value: rec.Value}
	f, err := transactions.DecodeFact(ctx, c, rec.Value)
	switch {
	case err == nil:
		r.Fact = f
	case !errors.Is(err, codec.ErrNotWireFormat):
		return r, fmt.Errorf("read the log at %d/%d: %w", rec.Partition, rec.Offset, err)
	}
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
	settled, err := cluster.Settled(ctx, client, topic.Transactions)
	if err != nil {
		return err
	}
	reader, err := timeline.NewReader(k.cluster(), timeline.Config{})
	if err != nil {
		return err
	}
	defer reader.Close()
	ends := make(cluster.Offsets)
	for at, end := range settled {
		if end > 0 {
			ends[at.Partition] = end
			reader.Add(at.Topic, at.Partition, 0)
		}
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
