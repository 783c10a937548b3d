package timeline_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/refold/refold/streams/cluster"
	"github.com/refold/refold/streams/fake"
	"github.com/refold/refold/streams/position"
	"github.com/refold/refold/streams/timeline"
	"github.com/refold/refold/streams/topic"
)

var swept = position.Partition{Topic: topic.Transactions}

// logID returns the id of the topic that is swept.
func logID(t *testing.T, b *fake.Broker) [16]byte {
	t.Helper()
	client, err := b.Client()
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	id, err := cluster.LogID(t.Context(), client, swept.Topic)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func printed(rec *timeline.Record) string {
	return fmt.Sprint(rec.Topic, rec.Partition, rec.Offset, rec.Timestamp.UnixMilli(), rec.Key == nil, rec.Value == nil, string(rec.Key), string(rec.Value), rec.Headers)
}

// sweep reads from an offset on and prints the records.
func sweep(t *testing.T, p *timeline.Picker, log [16]byte, from int64) (out []string, next int64) {
	t.Helper()
	position := from
	next, err := p.Sweep(t.Context(), swept, log, from, func(b timeline.Batch) error {
		if b.From != position || b.Next <= b.From || b.End == 0 {
			t.Errorf("got a batch from %d to %d of %d, want it from %d", b.From, b.Next, b.End, position)
		}
		position = b.Next
		for _, rec := range b.Records {
			out = append(out, printed(rec))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if next != position {
		t.Errorf("got %d, want the end of the last batch, %d", next, position)
	}
	return out, next
}

// A sweep finds what a reader finds, however it was compressed, from every offset on.
func TestASweepFindsWhatAReaderFinds(t *testing.T) {
	b := fake.New(t, 1)
	for n, codec := range []kgo.CompressionCodec{
		kgo.Lz4Compression(), kgo.NoCompression(), kgo.ZstdCompression(), kgo.SnappyCompression(), kgo.GzipCompression(),
	} {
		client, err := b.Client(kgo.ProducerBatchCompression(codec), kgo.RecordPartitioner(kgo.ManualPartitioner()))
		if err != nil {
			t.Fatal(err)
		}
		var all []*kgo.Record
		for i := range 30 {
			all = append(all, &kgo.Record{
				Topic: swept.Topic, Key: []byte(fmt.Sprint(n, i)), Value: []byte(strings.Repeat("value ", 10*i)),
				Headers: []kgo.RecordHeader{{Key: "h", Value: []byte{byte(i)}}, {Key: "empty"}}[:i%3],
			})
		}
		all[0].Key, all[1].Value, all[2].Value = nil, nil, []byte{}
		if err := client.ProduceSync(t.Context(), all...).FirstErr(); err != nil {
			t.Fatal(err)
		}
		client.Close()
		b.Abort(records(100, 3)...)
		b.Commit(records(n, 2)...)
	}
	b.Abort(records(200, 1)...)
	end := b.Ends(swept.Topic)[0]
	p, log := picker(t, b), logID(t, b)
	for from := range end {
		r, ctx := reader(t, b, from)
		var want []string
		for next := from; next < end; {
			batches, err := r.Poll(ctx)
			if err != nil {
				t.Fatal(err)
			}
			for _, b := range batches {
				for _, rec := range b.Records {
					want = append(want, printed(rec))
				}
				next = max(next, b.Next)
			}
		}
		r.Close()
		got, next := sweep(t, p, log, from)
		if strings.Join(got, "\n") != strings.Join(want, "\n") || next != end {
			t.Fatalf("from %d: got %d records up to %d\n%s\nwant %d up to %d\n%s", from, len(got), next, got, len(want), end, want)
		}
	}
}

// A sweep of more than one answer holds.
func TestASweepOfManyAnswers(t *testing.T) {
	b := fake.New(t, 1)
	large := strings.Repeat("0123456789abcdef", 4<<10)
	for i := range 40 {
		b.Commit(fake.Record{Topic: swept.Topic, Value: []byte(fmt.Sprint(i, large))})
	}
	got, next := sweep(t, picker(t, b), logID(t, b), 0)
	if len(got) != 40 || next != 80 {
		t.Errorf("got %d records up to %d, want 40 up to 80", len(got), next)
	}
}

func TestASweepEndsWithWhatEachSays(t *testing.T) {
	b := fake.New(t, 1)
	b.Commit(records(0, 2)...)
	b.Commit(records(2, 2)...)
	enough := errors.New("enough")
	next, err := picker(t, b).Sweep(t.Context(), swept, logID(t, b), 0, func(b timeline.Batch) error {
		if b.From >= 3 {
			return enough
		}
		return nil
	})
	if !errors.Is(err, enough) || next != 3 {
		t.Errorf("got %d, %v, want 3, %v", next, err, enough)
	}
}

func TestASweepOfAHole(t *testing.T) {
	b := fake.New(t, 1)
	b.Commit(records(0, 5)...)
	p, log := picker(t, b), logID(t, b)
	hole := func(log [16]byte) {
		t.Helper()
		_, err := p.Sweep(t.Context(), swept, log, 1, func(b timeline.Batch) error { return nil })
		if !errors.Is(err, timeline.ErrHole) {
			t.Errorf("got %v, want %v", err, timeline.ErrHole)
		}
	}
	hole([16]byte{1})
	b.Trim(swept.Topic, 0, 3)
	hole(log)
}
