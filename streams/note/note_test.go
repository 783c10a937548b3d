package note_test

import (
	"context"
	"errors"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/refold/refold/schemas/codec"
	"github.com/refold/refold/schemas/event"
	"github.com/refold/refold/streams/fake"
	"github.com/refold/refold/streams/note"
	"github.com/refold/refold/streams/timeline"
	"github.com/refold/refold/streams/topic"
)

var errGone = errors.New("the broker is gone")

func open(t *testing.T, b *fake.Broker, c *codec.Codec) *note.Log {
	t.Helper()
	l, err := note.Open(t.Context(), b.Cluster, c, topic.Notifications, event.NameNotificationRead)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	return l
}

func TestNotesStandInTheirPartition(t *testing.T) {
	b, c := fake.New(t, 2), codec.New(new(codec.Local))
	l := open(t, b, c)
	for want := int64(1); want <= 2; want++ {
		next, err := l.Append(t.Context(), 1, "alice", &event.NotificationRead{CustomerID: "alice", NotificationID: "n"})
		if err != nil || next != want {
			t.Fatalf("got %d, %v, want %d", next, err, want)
		}
	}
	if end, err := l.End(t.Context(), 1); err != nil || end != 2 {
		t.Errorf("got the end %d, %v, want 2", end, err)
	}
	found := 0
	err := timeline.Scan(t.Context(), b.Cluster, topic.Notifications, map[int32]timeline.Span{1: {End: 2}}, func(batch timeline.Batch) error {
		for _, rec := range batch.Records {
			s, err := c.Lookup(t.Context(), rec.Value)
			if err != nil {
				return err
			}
			var e event.NotificationRead
			if err := s.Decode(rec.Value, &e); err != nil || e.NotificationID != "n" || string(rec.Key) != "alice" {
				t.Errorf("got %+v with key %q, %v", e, rec.Key, err)
			}
			found++
		}
		return nil
	})
	if err != nil || found != 2 {
		t.Errorf("got %d notes, %v, want 2", found, err)
	}
}

// What a transaction has written that is under way is below the end: who waits for the end sees it, or that it never was.
func TestTheEndIsBehindWhatIsUnderWay(t *testing.T) {
	b := fake.New(t, 1)
	l := open(t, b, codec.New(new(codec.Local)))
	writer, err := b.Client(kgo.TransactionalID("writer"), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(writer.Close)
	if err := writer.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	if err := writer.ProduceSync(t.Context(), &kgo.Record{Topic: topic.Notifications, Value: []byte("v")}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	if end, err := l.End(t.Context(), 0); err != nil || end != 1 {
		t.Errorf("got %d, %v, want 1", end, err)
	}
}

func TestWhatIsNotKnown(t *testing.T) {
	b := fake.New(t, 1)
	l := open(t, b, codec.New(new(codec.Local)))
	if _, err := l.Append(t.Context(), 0, "alice", new(event.NotificationRequested)); err == nil || errors.Is(err, note.ErrUnknown) {
		t.Errorf("another event: got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := l.Append(ctx, 0, "alice", new(event.NotificationRead)); !errors.Is(err, note.ErrUnknown) {
		t.Errorf("nobody waited for it: got %v, want ErrUnknown", err)
	}
}

// What was asked of a broker that is gone since may be there or not. Who appends does not wait for it longer than it
// wants to.
func TestAppendEndsWithItsContext(t *testing.T) {
	b := fake.New(t, 1)
	l := open(t, b, codec.New(new(codec.Local)))
	asked := make(chan struct{}, 1)
	b.Faults().ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
		b.Faults().KeepControl()
		select {
		case asked <- struct{}{}:
		default:
		}
		return nil, errGone, true // which closes the connection
	})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() {
		_, err := l.Append(ctx, 0, "alice", new(event.NotificationRead))
		ended <- err
	}()
	<-asked
	cancel()
	if err := <-ended; !errors.Is(err, note.ErrUnknown) {
		t.Errorf("got %v, want ErrUnknown", err)
	}
}
