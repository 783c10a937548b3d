// Package note appends facts that nobody has to decide, such as that a customer has read something: to a topic that
// others, too, may write to at the same time.
//
// A note is durable when Append returns. After an error it may be there all the same, and who tries again may write
// it twice. So it must be one that changes nothing where it comes again, by an id that is the same in every try: the
// fold of the notes decides which one counts, for everybody alike, and no writer needs to be fenced.
package note

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/refold/refold/schemas/codec"
	"github.com/refold/refold/streams/cluster"
)

// ErrUnknown is wrapped where a note may be there or not. Try again with the same one.
var ErrUnknown = errors.New("it is not known whether it was recorded")

// Note is an event that can name itself.
type Note interface {
	// Name returns the full name of the event's Avro record.
	Name() string
}

// Log is a topic that notes are appended to. Its methods may be called concurrently.
type Log struct {
	topic    string
	client   *kgo.Client
	encoders map[string]*codec.Encoder
}

// deliverWithin bounds how long a broker may take for a note.
const deliverWithin = 10 * time.Second

// Open registers the events of the notes, by their names, for a topic, which must exist. The caller closes the log.
func Open(ctx context.Context, c cluster.Cluster, d *codec.Codec, topic string, events ...string) (*Log, error) {
	l := &Log{topic: topic, encoders: make(map[string]*codec.Encoder)}
	for _, name := range events {
		encoder, err := d.Encoder(ctx, topic, name)
		if err != nil {
			return nil, err
		}
		l.encoders[name] = encoder
	}
	var err error
	l.client, err = c.Client(
		kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.RecordDeliveryTimeout(deliverWithin),
		kgo.ProducerLinger(0),
		// Of a record that a broker was asked to take the library waits for what became of it, for ever.
		kgo.AllowIdempotentProduceCancellation(),
	)
	if err != nil {
		return nil, err
	}
	return l, nil
}

// Close ends the log.
func (l *Log) Close() { l.client.Close() }

// Append appends a note about a customer to a partition, and returns the offset after it. Every error but one of the
// note itself is ErrUnknown.
func (l *Log) Append(ctx context.Context, partition int32, customer string, n Note) (next int64, err error) {
	encoder := l.encoders[n.Name()]
	if encoder == nil {
		return 0, fmt.Errorf("append %s to %s: the log was not opened for it", n.Name(), l.topic)
	}
	value, err := encoder.Append(nil, n)
	if err != nil {
		return 0, err
	}
	rec := &kgo.Record{Topic: l.topic, Partition: partition, Key: []byte(customer), Value: value}
	if err := l.client.ProduceSync(ctx, rec).FirstErr(); err != nil {
		return 0, fmt.Errorf("append to %s/%d: %w: %w", l.topic, partition, ErrUnknown, err)
	}
	return rec.Offset + 1, nil
}

// End returns the offset after the last record of a partition, whether or not its transaction has ended: what anybody
// has committed by now is below.
func (l *Log) End(ctx context.Context, partition int32) (int64, error) {
	listed, err := kadm.NewClient(l.client).ListEndOffsets(ctx, l.topic)
	if err == nil {
		err = listed.Error()
	}
	if err != nil {
		return 0, fmt.Errorf("list the ends of %s: %w", l.topic, err)
	}
	end, _ := listed.Lookup(l.topic, partition)
	return end.Offset, nil
}
