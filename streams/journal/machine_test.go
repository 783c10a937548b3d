package journal

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/refold/refold/streams/cluster"
	"github.com/refold/refold/streams/fake"
	"github.com/refold/refold/streams/position"
	"github.com/refold/refold/streams/timeline"
)

const (
	topicName = "journal.test"
	within    = time.Minute
)

// brokers starts a broker with one topic.
func brokers(t testing.TB, partitions int32) *fake.Broker {
	t.Helper()
	b := fake.Empty(t)
	b.Create(topicName, partitions, nil)
	return b
}

// set is a machine whose state is the set of values in the log. A value that is there already is not
// appended again, and one behind a question mark is only asked for. It reads the whole log at every Reset.
type set struct {
	cluster   cluster.Cluster
	partition int32
	values    map[string]int64 // with their offsets
	// before is called before a decision.
	before func(command string) error
	// slow is called before a Reset.
	slow func(context.Context) error
	// near is called before a batch.
	near func(ctx context.Context, next int64) error
}

// answer is the outcome of a command: where its value stands.
type answer struct {
	offset   int64
	replayed bool
}

func (s *set) Reset(ctx context.Context, end int64) error {
	if s.slow != nil {
		if err := s.slow(ctx); err != nil {
			return err
		}
	}
	s.values = make(map[string]int64)
	return read(ctx, s.cluster, s.partition, end, func(rec *kgo.Record) { s.values[string(rec.Value)] = rec.Offset })
}

func (s *set) Find(_ context.Context, command string) (answer, bool, error) {
	offset, found := s.values[command]
	return answer{offset: offset, replayed: true}, found, nil
}

func (s *set) KeepNear(ctx context.Context, next int64) error {
	if s.near != nil {
		return s.near(ctx, next)
	}
	return nil
}

func (s *set) Decide(ctx context.Context, command string, offset int64, now time.Time) (Decision[answer], error) {
	if s.before != nil {
		if err := s.before(command); err != nil {
			return Decision[answer]{}, err
		}
	}
	if o, found, err := s.Find(ctx, command); found {
		return Decision[answer]{Outcome: o}, err
	}
	var d Decision[answer]
	if value, question := strings.CutPrefix(command, "?"); question {
		o, found, err := s.Find(ctx, value)
		return Decision[answer]{Absent: !found, Outcome: o}, err
	}
	if first, last, two := strings.Cut(command, ">"); two {
		// A command of two values, the second of which may be empty, appends two records, or one.
		d.Before = []Record{{Key: []byte("k"), Value: []byte(first), Time: now}}
		s.values[first] = offset
		if offset++; last == "" {
			return d, nil
		}
	}
	s.values[command] = offset
	d.Key, d.Value, d.Time, d.Outcome = []byte("k"), []byte(command), now, answer{offset: offset}
	return d, nil
}

// bench is a journal of sets that runs until the test ends.
type bench struct {
	*Journal[string, answer]
	t      testing.TB
	broker *fake.Broker
	stop   func()
	// stopping is closed when every writer was told to stop.
	stopping <-chan struct{}
}

type config = Config[string, answer]

// start runs a journal over new brokers with one partition.
func start(t testing.TB, options ...func(*config, *set)) *bench {
	t.Helper()
	return startOn(t, brokers(t, 1), options...)
}

func startOn(t testing.TB, b *fake.Broker, options ...func(*config, *set)) *bench {
	t.Helper()
	cfg := config{
		Cluster: b.Cluster, Topic: topicName, Patience: 5 * time.Second,
		Log: slog.New(slog.NewTextHandler(logWriter{t}, nil)),
	}
	for _, o := range options {
		o(&cfg, &set{})
	}
	cfg.NewMachine = func(partition int32) Machine[string, answer] {
		s := &set{cluster: b.Cluster, partition: partition}
		for _, o := range options {
			o(&cfg, s)
		}
		return s
	}
	ctx, cancel := context.WithCancel(context.Background())
	stopping := make(chan struct{})
	j := &bench{t: t, broker: b, Journal: New(cfg), stopping: stopping}
	done := make(chan error, 1)
	go func() { done <- j.Run(ctx) }()
	j.stop = sync.OnceFunc(func() {
		cancel()
		close(stopping)
		if err := <-done; err != nil {
			t.Errorf("run: %v", err)
		}
	})
	t.Cleanup(j.stop)
	return j
}

// logWriter writes to the log of a test.
type logWriter struct{ t testing.TB }

func (w logWriter) Write(b []byte) (int, error) {
	w.t.Log(strings.TrimSpace(string(b)))
	return len(b), nil
}

// until waits for a condition on the status of partition 0, which may not be owned yet.
func (b *bench) until(ok func(Status) bool) {
	b.t.Helper()
	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	deadline := time.After(within)
	for {
		s := b.Status()
		if len(s) > 0 && ok(s[0]) {
			return
		}
		select {
		case <-ticker.C:
		case <-deadline:
			b.t.Fatalf("waited in vain; status %+v", s)
		}
	}
}

func (b *bench) serving() *bench {
	b.t.Helper()
	b.until(func(s Status) bool { return s.State == Serving })
	return b
}

// submit submits a command once.
func (b *bench) submit(command string) (answer, error) {
	ctx, cancel := context.WithTimeout(b.t.Context(), within)
	defer cancel()
	return b.Submit(ctx, 0, command)
}

// insist submits a command until it is answered with an outcome.
func (b *bench) insist(command string) answer {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), within)
	defer cancel()
	for {
		a, err := b.Submit(ctx, 0, command)
		switch {
		case err == nil:
			return a
		case ctx.Err() != nil:
			b.t.Fatal(err)
		}
	}
}

// log returns the committed values of partition 0.
func (b *bench) log() []string {
	b.t.Helper()
	client, err := b.cfg.Cluster.Client()
	if err != nil {
		b.t.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	ends, err := cluster.Settled(ctx, client, topicName)
	if err != nil {
		b.t.Fatal(err)
	}
	return committed(b.t, b.cfg.Cluster, 0, ends[position.Partition{Topic: topicName}])
}

func (b *bench) wantLog(want ...string) {
	b.t.Helper()
	if got := b.log(); !slices.Equal(got, want) {
		b.t.Errorf("log: got %q, want %q", got, want)
	}
}

// committed reads a partition as a reader of committed records sees it, up to an end.
func committed(t testing.TB, c cluster.Cluster, partition int32, end int64) []string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	var values []string
	if err := read(ctx, c, partition, end, func(rec *kgo.Record) { values = append(values, string(rec.Value)) }); err != nil {
		t.Fatal(err)
	}
	return values
}

func read(ctx context.Context, c cluster.Cluster, partition int32, end int64, each func(*kgo.Record)) error {
	if end == 0 {
		return nil
	}
	reader, err := timeline.NewReader(c, timeline.Config{MaxWait: 10 * time.Millisecond})
	if err != nil {
		return err
	}
	defer reader.Close()
	reader.Add(topicName, partition, 0)
	for {
		batches, err := reader.Poll(ctx)
		if err != nil {
			return err
		}
		for _, b := range batches {
			for _, rec := range b.Records {
				each(rec)
			}
			if b.Next >= end {
				return nil
			}
		}
	}
}

// appliedThenFailed lets the next commit be applied by the broker and answered with an error: with the
// code, or with a closed connection where it is nil.
func appliedThenFailed(t testing.TB, b *fake.Broker, code *kerr.Error) {
	t.Helper()
	kafka := b.Faults()
	helper, err := b.Client()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(helper.Close)
	applying := false
	kafka.ControlKey(int16(kmsg.EndTxn), func(r kmsg.Request) (kmsg.Response, error, bool) {
		if applying {
			kafka.KeepControl()
			return nil, nil, false // this is the request of the helper
		}
		applying = true
		kafka.SleepControl(func() {
			again := *r.(*kmsg.EndTxnRequest)
			if resp, err := again.RequestWith(context.Background(), helper); err != nil || resp.ErrorCode != 0 {
				t.Errorf("apply the commit: %v, %+v", err, resp)
			}
		})
		kafka.DropControl()
		if code == nil {
			return nil, errors.New("the reply is lost"), true
		}
		resp := r.ResponseKind().(*kmsg.EndTxnResponse)
		resp.ErrorCode = code.Code
		return resp, nil, true
	})
}
