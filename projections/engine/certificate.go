package engine

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"github.com/refold/refold/projections/acts"
	"github.com/refold/refold/projections/certificate"
	"github.com/refold/refold/schemas/event"
	"github.com/refold/refold/streams/position"
	"github.com/refold/refold/streams/timeline"
)

// Certificate returns the proof of a replay that was compared and promoted. It is made of the acts and of the
// log, so that it is the same whenever it is asked for; one that was rolled back has none any more.
func (e *Engine) Certificate(ctx context.Context, operation string) (c certificate.Certificate, err error) {
	name, _, g, err := e.parse(operation)
	if err != nil {
		return c, err
	}
	switch {
	case g.Promoted == nil:
		return c, &acts.Refusal{Why: fmt.Sprintf("generation %d of %s was never promoted, or was rolled back: a certificate ends a replay", g.Number, name)}
	case g.Verified == nil:
		return c, &acts.Refusal{Why: fmt.Sprintf("generation %d of %s was never compared: there is nothing to certify", g.Number, name)}
	}
	v := g.Verified
	c = certificate.Certificate{
		Operation: operation, Projection: name, Generation: g.Number, Version: g.Version, FoldHash: g.Hash,
		Plan: g.Created.Plan, Snapshot: g.Created.Snapshot, Keys: g.Created.Keys, TouchedBy: g.Created.TouchedBy,
		Compared: v.ExpectedLive, Rows: v.Rows, Differences: v.Differences, Digest: v.Digest, Outputs: outputs(v.Buckets),
		Started: decided(g.Created), Verified: decided(*v), Promoted: decided(*g.Promoted),
	}
	begins := g.Created.Positions
	if g.Created.ExpectedLive == 0 {
		begins = nil // of the first generation they say where its effects begin
	}
	if c.Inputs, err = e.inputs(ctx, v.Positions, begins); err != nil {
		return c, fmt.Errorf("certify %s: %w", operation, err)
	}
	return c, nil
}

func decided(a event.ActRecorded) certificate.Act {
	return certificate.Act{ID: a.ActID, At: a.RecordedAt.Time(), Principal: a.Principal, Reason: a.Reason, Build: a.Build, Forced: a.Forced}
}

func outputs(buckets []event.BucketDigest) (out []certificate.Output) {
	for _, b := range buckets {
		out = append(out, certificate.Output(b))
	}
	return out
}

// inputs returns what was read of each partition, with the last record of it.
func (e *Engine) inputs(ctx context.Context, ends, begins []event.TopicPosition) (out []certificate.Input, err error) {
	for _, at := range ends {
		spans, err := timeline.Spans(ctx, e.cfg.Cluster, at.Topic)
		if err != nil {
			return nil, err
		}
		in := certificate.Input{Topic: at.Topic, Partition: at.Partition, From: offsetIn(begins, position.Partition{Topic: at.Topic, Partition: at.Partition}), To: at.Offset}
		last, err := e.last(ctx, at, spans[at.Partition].Start)
		if err != nil {
			return nil, fmt.Errorf("find the last record of %s/%d before %d: %w", at.Topic, at.Partition, at.Offset, err)
		}
		if last != nil {
			head := sha256.Sum256(last.Value)
			in.Head, in.HeadOffset = hex.EncodeToString(head[:]), last.Offset
		}
		out = append(out, in)
	}
	return out, nil
}

// last returns the last record before a position, nil where the log has none from its start on: before it there
// may be markers and records that were aborted, as many as there are.
func (e *Engine) last(ctx context.Context, at event.TopicPosition, start int64) (last *timeline.Record, err error) {
	for n := int64(64); last == nil; n *= 64 {
		from := max(at.Offset-n, start)
		spans := map[int32]timeline.Span{at.Partition: {Start: from, End: at.Offset}}
		err := timeline.Scan(ctx, e.cfg.Cluster, at.Topic, spans, func(b timeline.Batch) error {
			if len(b.Records) > 0 {
				last = b.Records[len(b.Records)-1]
			}
			return nil
		})
		if err != nil || from == start {
			return last, err
		}
	}
	return last, nil
}
