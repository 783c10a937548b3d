package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/refold/refold/streams/cluster"
	"github.com/refold/refold/streams/topic"
)

const (
	plainTopic = "bench.plain"
	// plainSize is the size of a purchase as it stands in the log, in bytes.
	plainSize = 320
)

// plain returns a client that produces as franz-go does by itself, to a topic like that of the journal.
func plain(ctx context.Context, seed string, opts ...kgo.Opt) (*kgo.Client, error) {
	client, err := cluster.Cluster{Seeds: []string{seed}, ClientID: "bench"}.Client(append(opts, kgo.DefaultProduceTopic(plainTopic),
		kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerLinger(0), kgo.ProducerBatchCompression(kgo.Lz4Compression()))...)
	if err != nil {
		return nil, err
	}
	_, err = kadm.NewClient(client).CreateTopic(ctx, topic.DefaultPartitions, 1, nil, plainTopic)
	if err != nil && !errors.Is(err, kerr.TopicAlreadyExists) {
		client.Close()
		return nil, fmt.Errorf("make %s: %w", plainTopic, err)
	}
	return client, nil
}

func plainRecord() *kgo.Record {
	value := make([]byte, plainSize)
	for i := range value[:plainSize/2] { // half of it cannot be compressed, as in a record with hashes
		value[i] = byte(rand.Uint32())
	}
	return &kgo.Record{Partition: rand.Int32N(topic.DefaultPartitions), Key: []byte("c000000"), Value: value}
}

// plainUnary returns the records a second of many callers, each of whom waits for the record before.
func plainUnary(ctx context.Context, seed string) (float64, error) {
	client, err := plain(ctx, seed)
	if err != nil {
		return 0, err
	}
	defer client.Close()
	rate, err := closed(ctx, func(ctx context.Context) error { return client.ProduceSync(ctx, plainRecord()).FirstErr() })
	if err != nil {
		return 0, fmt.Errorf("plain produce: %w", err)
	}
	return rate, nil
}

// plainBulk returns the records a second of one caller who waits for nothing but room.
func plainBulk(ctx context.Context, seed string) (float64, error) {
	client, err := plain(ctx, seed, kgo.MaxBufferedRecords(16_384))
	if err != nil {
		return 0, err
	}
	defer client.Close()
	var done, lost atomic.Int64
	start := time.Now()
	for time.Since(start) < measured {
		client.Produce(ctx, plainRecord(), func(_ *kgo.Record, err error) {
			if err != nil {
				lost.Add(1)
			}
			done.Add(1)
		})
	}
	if err := client.Flush(ctx); err != nil || lost.Load() > 0 {
		return 0, fmt.Errorf("plain produce: %d records were lost: %w", lost.Load(), err)
	}
	return float64(done.Load()) / time.Since(start).Seconds(), nil
}
