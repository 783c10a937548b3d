package timeline_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/refold/refold/streams/fake"
	"github.com/refold/refold/streams/timeline"
	"github.com/refold/refold/streams/topic"
)

// A scan reads each span whole, once, and nothing beyond it: neither what was aborted nor what came later.
func TestScanReadsSpansOnce(t *testing.T) {
	b := fake.New(t, 2)
	b.Commit(records(0, 3)...)
	b.Commit(fake.Record{Topic: topic.Transactions, Partition: 1, Value: []byte("other")})
	b.Abort(records(100, 2)...)
	spans, err := timeline.Spans(t.Context(), b.Cluster, topic.Transactions)
	if err != nil {
		t.Fatal(err)
	}
	b.Commit(records(3, 2)...)
	var got []string
	err = timeline.Scan(t.Context(), b.Cluster, topic.Transactions, spans, func(batch timeline.Batch) error {
		for _, rec := range batch.Records {
			got = append(got, string(rec.Value))
		}
		return nil
	})
	slices.Sort(got)
	if want := []string{"0", "1", "2", "other"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
}

func TestScanEndsWithAnError(t *testing.T) {
	b := fake.New(t, 1)
	b.Commit(records(0, 1)...)
	enough := errors.New("enough")
	stop := func(timeline.Batch) error { return enough }
	if err := timeline.Scan(t.Context(), b.Cluster, topic.Transactions, map[int32]timeline.Span{0: {0, 1}}, stop); !errors.Is(err, enough) {
		t.Errorf("got %v, want %v", err, enough)
	}
	if err := timeline.Scan(t.Context(), b.Cluster, topic.Transactions, map[int32]timeline.Span{0: {50, 60}}, stop); !errors.Is(err, timeline.ErrHole) {
		t.Errorf("got %v, want a hole", err)
	}
}

// A read that fails is no end: what was to be read was not.
func TestScanFailsWithARead(t *testing.T) {
	for name, c := range map[string]struct {
		code  *kerr.Error
		fails bool
	}{
		"for good":      {kerr.UnknownServerError, true},
		"for a while":   {kerr.NotLeaderForPartition, false},
		"not permitted": {kerr.TopicAuthorizationFailed, true},
	} {
		b := fake.New(t, 1)
		b.Commit(records(0, 3)...)
		b.Faults().Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Err: c.code, Count: 2})
		read := 0
		err := timeline.Scan(t.Context(), b.Cluster, topic.Transactions, map[int32]timeline.Span{0: {0, 3}}, func(batch timeline.Batch) error {
			read += len(batch.Records)
			return nil
		})
		if c.fails && !errors.Is(err, c.code) || !c.fails && (err != nil || read != 3) {
			t.Errorf("%s: got %v after %d records", name, err, read)
		}
	}
}
