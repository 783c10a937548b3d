package main

import (
	"context"
	"fmt"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/refold/refold/services/transactions/history"
	"github.com/refold/refold/streams/topic"
)

// stranger is a Kafka client that has no business with the journal.
func (k *bank) stranger(opts ...kgo.Opt) (*kgo.Client, error) {
	return k.cluster().Client(append(opts, kgo.DefaultProduceTopic(topic.Transactions), kgo.RecordPartitioner(kgo.ManualPartitioner()))...)
}

// KW-10: a record of somebody else. Its partition serves no more, the other one does, and `refold verify`
// names the record.
func foreignRecord(ctx context.Context, s *stage) error {
	client, err := s.stranger()
	if err != nil {
		return err
	}
	defer client.Close()
	rec := &kgo.Record{Key: []byte("bank0"), Value: []byte("hello"), Partition: 0}
	if err := client.ProduceSync(ctx, rec).FirstErr(); err != nil {
		return fmt.Errorf("write a foreign record: %w", err)
	}
	s.injected("foreign record (KW-10)")
	s.silent(ctx, 0, 3*time.Second)
	s.goesOn(ctx, 1)
	at := fmt.Sprintf("0/%d", rec.Offset)
	s.expected = []history.Finding{
		{Breach: history.Unasked, What: at},
		{Breach: doubted, What: fmt.Sprintf("partition 0, offset %d: ", rec.Offset)},
	}
	return nil
}

// KW-11: somebody's transaction hangs open. Nothing is decided behind it, and it goes on when it has ended.
func hangingTransaction(ctx context.Context, s *stage) error {
	client, err := s.stranger(kgo.TransactionalID("stranger"), kgo.TransactionTimeout(5*time.Minute))
	if err != nil {
		return err
	}
	defer client.Close()
	if err := client.BeginTransaction(); err != nil {
		return fmt.Errorf("begin a foreign transaction: %w", err)
	}
	rec := &kgo.Record{Key: []byte("bank0"), Value: []byte("hello"), Partition: 0}
	if err := client.ProduceSync(ctx, rec).FirstErr(); err != nil {
		return fmt.Errorf("write in a foreign transaction: %w", err)
	}
	s.injected("transaction left hanging (KW-11)")
	s.silent(ctx, 0, 3*time.Second)
	if err := client.EndTransaction(ctx, kgo.TryAbort); err != nil {
		return fmt.Errorf("end a foreign transaction: %w", err)
	}
	return s.serving(ctx)
}

// KW-14: the topic is deleted and made again. Its owner serves no more, also when it is started again: what
// it knows is of another log.
func topicMadeAgain(ctx context.Context, s *stage) error {
	client, err := s.stranger()
	if err != nil {
		return err
	}
	defer client.Close()
	admin := kadm.NewClient(client)
	if _, err := admin.DeleteTopic(ctx, topic.Transactions); err != nil {
		return fmt.Errorf("delete the topic: %w", err)
	}
	if _, err := admin.CreateTopic(ctx, int32(s.partitions), 1, nil, topic.Transactions); err != nil {
		return fmt.Errorf("make the topic again: %w", err)
	}
	s.injected("topic deleted and made again (KW-14)")
	for p := range s.partitions {
		s.silent(ctx, p, 6*time.Second)
	}
	s.owners[0].end(syscall.SIGTERM)
	if err := s.owners[0].start(); err != nil {
		return nil // a program that does not start serves nothing
	}
	for p := range s.partitions {
		s.silent(ctx, p, 6*time.Second)
	}
	return s.read(ctx, func(r *history.Record) {
		s.must(false, "a record is at %d/%d of the topic that was made again", r.Partition, r.Offset)
	})
}
