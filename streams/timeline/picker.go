package timeline

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/refold/refold/streams/cluster"
	"github.com/refold/refold/streams/position"
)

// Picker reads single records, wherever they stand. Its methods may be called concurrently.
type Picker struct {
	client     *kgo.Client
	decompress kgo.Decompressor

	mu    sync.Mutex
	known map[string]kadm.TopicDetail // guarded by mu; where topics are led, as last asked
}

// NewPicker returns a picker, without I/O. The caller closes it.
func NewPicker(c cluster.Cluster) (*Picker, error) {
	client, err := c.Client()
	if err != nil {
		return nil, err
	}
	return &Picker{client: client, decompress: kgo.DefaultDecompressor(), known: make(map[string]kadm.TopicDetail)}, nil
}

// Close ends the picker's connections.
func (p *Picker) Close() { p.client.Close() }

// Ends asks the brokers for the last stable offsets of a topic's partitions.
func (p *Picker) Ends(ctx context.Context, topic string) (cluster.Offsets, error) {
	return cluster.Ends(ctx, p.client, topic)
}

// Records that are as near to each other as this are fetched together, with what is between them. So many
// fetches are under way at once.
const (
	nearOffsets = 128
	inFlight    = 8
)

// usualBytes is what a record takes, for the size of a fetch. Where it is more, there are more fetches.
const usualBytes = 400

// ReadAt returns the committed records at offsets, which are in order, each once. It is ErrHole where the
// log does not hold one of them, because it begins later or there was never a committed record.
func (p *Picker) ReadAt(ctx context.Context, at position.Partition, offsets []int64) ([]*Record, error) {
	runs := runsOf(offsets)
	found := make([][]*Record, len(runs))
	problems := make([]error, len(runs))
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var wg sync.WaitGroup
	slots := make(chan struct{}, inFlight)
	for i := range runs {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			if found[i], problems[i] = p.run(ctx, at, runs[i]); problems[i] != nil {
				cancel()
			}
		})
	}
	wg.Wait()
	for _, err := range problems {
		if err != nil && !errors.Is(err, context.Canceled) {
			return nil, fmt.Errorf("pick from %s: %w", at, err)
		}
	}
	return slices.Concat(found...), errors.Join(problems...)
}

// Read returns the committed records of a span, all of which the log must have come to.
func (p *Picker) Read(ctx context.Context, at position.Partition, s Span) (out []*Record, err error) {
	for s.Start < s.End {
		got, through, err := p.fetch(ctx, at, s)
		if err == nil && through <= s.Start {
			err = fmt.Errorf("%w: there is nothing to be read from %d on", ErrHole, s.Start)
		}
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", at, err)
		}
		for _, rec := range got {
			if rec.Offset < s.End {
				out = append(out, rec)
			}
		}
		s.Start = through
	}
	return out, nil
}

// runsOf cuts offsets into runs that are fetched together.
func runsOf(offsets []int64) (runs [][]int64) {
	start := 0
	for i := range offsets {
		if i+1 == len(offsets) || offsets[i+1]-offsets[i] > nearOffsets {
			runs = append(runs, offsets[start:i+1])
			start = i + 1
		}
	}
	return runs
}

// run returns the records of one run.
func (p *Picker) run(ctx context.Context, at position.Partition, wanted []int64) ([]*Record, error) {
	out := make([]*Record, 0, len(wanted))
	for len(out) < len(wanted) {
		next, last := wanted[len(out)], wanted[len(wanted)-1]
		got, through, err := p.fetch(ctx, at, Span{next, last + 1})
		if err != nil {
			return nil, err
		}
		for _, rec := range got {
			if len(out) < len(wanted) && rec.Offset == wanted[len(out)] {
				out = append(out, rec)
			}
		}
		if len(out) < len(wanted) && wanted[len(out)] < max(through, next+1) {
			return nil, fmt.Errorf("%w: %d holds no committed record", ErrHole, wanted[len(out)])
		}
	}
	return out, nil
}

// errNoAnswer says that the leader did not answer: it may be gone, and another one lead the partition.
var errNoAnswer = errors.New("the leader of the partition does not answer")

// A fetch that fails in a way that passes, because the partition is led elsewhere meanwhile or nobody leads it
// yet, is tried again: after firstPause, then after pauses that double, up to longestPause, as long as patience
// lasts. Where the partition is led is asked anew each time.
const (
	firstPause   = 5 * time.Millisecond
	longestPause = 250 * time.Millisecond
	patience     = 10 * time.Second
)

// fetch returns records from the start of a span on, at least one batch, and the offset after those it looked at.
func (p *Picker) fetch(ctx context.Context, at position.Partition, s Span) (records []*Record, through int64, err error) {
	err = p.patiently(ctx, at, func() (*kmsg.FetchResponseTopicPartition, error) {
		part, err := p.askOnce(ctx, at, s, nil)
		if err != nil {
			return part, err
		}
		opts := kgo.ProcessFetchPartitionOpts{Offset: s.Start, IsolationLevel: kgo.ReadCommitted(), Topic: at.Topic, Partition: at.Partition}
		var got kgo.FetchPartition
		got, through = kgo.ProcessFetchPartition(opts, part, p.decompress, nil)
		records = got.Records
		return part, got.Err
	})
	return records, through, err
}

// ask returns what the leader of a partition of a log answers to a fetch.
func (p *Picker) ask(ctx context.Context, at position.Partition, log [16]byte, s Span) (part *kmsg.FetchResponseTopicPartition, err error) {
	err = p.patiently(ctx, at, func() (*kmsg.FetchResponseTopicPartition, error) {
		part, err = p.askOnce(ctx, at, s, &log)
		return part, err
	})
	return part, err
}

// patiently tries again what fails in a way that passes. What is tried returns the answer that it failed by, where there
// was one.
func (p *Picker) patiently(ctx context.Context, at position.Partition, try func() (*kmsg.FetchResponseTopicPartition, error)) error {
	begun := time.Now()
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		part, err := try()
		if err == nil {
			return nil
		}
		p.forget(at.Topic)
		switch {
		case errors.Is(err, kerr.OffsetOutOfRange) && part != nil:
			return fmt.Errorf("%w: the log begins at %d: %w", ErrHole, part.LogStartOffset, err)
		case !errors.Is(err, errNoAnswer) && !passes(err) || time.Since(begun) > patience:
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", ctx.Err(), err)
		case <-time.After(pause):
		}
	}
}

// askOnce asks the leader of a partition. With an id it is a hole where the topic has another one.
func (p *Picker) askOnce(ctx context.Context, at position.Partition, s Span, log *[16]byte) (*kmsg.FetchResponseTopicPartition, error) {
	detail, err := p.topic(ctx, at.Topic)
	if err != nil {
		return nil, err
	}
	if log != nil && *log != detail.ID {
		return nil, fmt.Errorf("%w: the topic's id is %x, not %x", ErrHole, detail.ID, *log)
	}
	resp, err := p.client.Broker(int(detail.Partitions[at.Partition].Leader)).Request(ctx, fetchOf(detail, at.Partition, s))
	if err != nil {
		return nil, fmt.Errorf("fetch from %d: %w: %w", s.Start, errNoAnswer, err)
	}
	fetched := resp.(*kmsg.FetchResponse)
	if err := kerr.ErrorForCode(fetched.ErrorCode); err != nil {
		return nil, fmt.Errorf("fetch from %d: %w", s.Start, err)
	}
	if len(fetched.Topics) == 0 || len(fetched.Topics[0].Partitions) == 0 {
		return nil, fmt.Errorf("fetch from %d: the answer is empty", s.Start)
	}
	part := &fetched.Topics[0].Partitions[0]
	if err := kerr.ErrorForCode(part.ErrorCode); err != nil {
		return part, fmt.Errorf("fetch from %d: %w", s.Start, err)
	}
	return part, nil
}

// fetchOf is a fetch of one span. Only the partition's bound counts: see the embedded broker.
func fetchOf(detail kadm.TopicDetail, partition int32, s Span) *kmsg.FetchRequest {
	part := kmsg.NewFetchRequestTopicPartition()
	part.Partition, part.FetchOffset = partition, s.Start
	part.PartitionMaxBytes = int32(min((s.End-s.Start-1)*usualBytes+1, 1<<20))
	t := kmsg.NewFetchRequestTopic()
	t.Topic, t.TopicID, t.Partitions = detail.Topic, detail.ID, []kmsg.FetchRequestTopicPartition{part}
	req := kmsg.NewPtrFetchRequest()
	req.MaxBytes, req.MinBytes, req.MaxWaitMillis = math.MaxInt32, 1, 500
	req.IsolationLevel, req.SessionEpoch = 1, -1
	req.Topics = []kmsg.FetchRequestTopic{t}
	return req
}

// topic returns where a topic is led. Two that ask at once both ask the brokers: none waits for the other, who may have
// more patience.
func (p *Picker) topic(ctx context.Context, name string) (kadm.TopicDetail, error) {
	p.mu.Lock()
	known, ok := p.known[name]
	p.mu.Unlock()
	if ok {
		return known, nil
	}
	topics, err := kadm.NewClient(p.client).ListTopics(ctx, name)
	if err == nil {
		err = topics.Error()
	}
	if err != nil {
		return kadm.TopicDetail{}, fmt.Errorf("find topic %s: %w", name, err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.known[name] = topics[name]
	return topics[name], nil
}

func (p *Picker) forget(topic string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.known, topic)
}
