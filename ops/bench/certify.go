package main

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"slices"

	"github.com/refold/refold/projections/certificate"
	"github.com/refold/refold/streams/cluster"
	"github.com/refold/refold/streams/timeline"
	"github.com/refold/refold/streams/topic"
)

// certify signs certificates over what was read, with the last record of each partition.
func certify(ctx context.Context, c cluster.Cluster, ends cluster.Offsets, made []certificate.Certificate) error {
	spans, heads := make(map[int32]timeline.Span), make(map[int32]certificate.Input)
	for p, end := range ends {
		spans[p] = timeline.Span{Start: max(0, end-64), End: end}
	}
	err := timeline.Scan(ctx, c, topic.Transactions, spans, func(b timeline.Batch) error {
		for _, rec := range b.Records {
			head := sha256.Sum256(rec.Value)
			heads[b.Partition] = certificate.Input{
				Topic: topic.Transactions, Partition: b.Partition, To: ends[b.Partition], Head: hex.EncodeToString(head[:]), HeadOffset: rec.Offset,
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		return err
	}
	for _, one := range made {
		for _, p := range slices.Sorted(maps.Keys(ends)) {
			one.Inputs = append(one.Inputs, heads[p])
		}
		if _, err := certificate.Sign(one, key); err != nil {
			return err
		}
	}
	return nil
}
