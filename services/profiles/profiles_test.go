package profiles_test

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/refold/refold/projections/acts"
	"github.com/refold/refold/projections/alerts"
	"github.com/refold/refold/projections/engine"
	projected "github.com/refold/refold/projections/preferences"
	"github.com/refold/refold/projections/projection"
	"github.com/refold/refold/projections/store/memory"
	"github.com/refold/refold/schemas/api/bankv1"
	"github.com/refold/refold/schemas/codec"
	"github.com/refold/refold/schemas/event"
	"github.com/refold/refold/services/profiles"
	"github.com/refold/refold/services/query"
	"github.com/refold/refold/streams/fake"
	"github.com/refold/refold/streams/feed"
	"github.com/refold/refold/streams/note"
	"github.com/refold/refold/streams/position"
	"github.com/refold/refold/streams/topic"
)

const partitions = 2

// bank is a log with events in it, an engine that folds them, and the service over it.
type bank struct {
	t      *testing.T
	broker *fake.Broker
	codec  *codec.Codec
	engine *engine.Engine
	server *profiles.Server
	notes  *note.Log
	stop   func() // ends the engine
	mu     sync.Mutex
	asked  []int64 // guarded by mu; positions that the service has waited for
}

// setAt is when everything is set.
var setAt = time.Date(2014, 6, 1, 12, 0, 0, 0, time.UTC)

func newBank(t *testing.T) *bank {
	t.Helper()
	b := &bank{t: t, broker: fake.New(t, partitions), codec: codec.New(new(codec.Local))}
	var err error
	if b.notes, err = note.Open(t.Context(), b.broker.Cluster, b.codec, topic.Profiles, event.NamePreferencesSet); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.notes.Close)
	b.run()
	t.Cleanup(func() { b.stop() })
	return b
}

// run runs an engine without rows, and the service over it.
func (b *bank) run() {
	b.t.Helper()
	f, err := feed.Open(b.broker.Cluster, topic.Acts)
	if err != nil {
		b.t.Fatal(err)
	}
	log, err := acts.NewLog(b.t.Context(), f, b.codec)
	if err != nil {
		b.t.Fatal(err)
	}
	b.engine = engine.New(engine.Config{
		Cluster: b.broker.Cluster, Codec: b.codec, Stores: memory.New(), Acts: log, Instance: "test",
		Catalog: []*projection.Definition{alerts.Definition(), projected.Definition()}, Logger: slog.New(slog.DiscardHandler),
	})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 2)
	go func() { ended <- b.engine.Run(ctx) }()
	go func() { _ = log.Run(ctx); ended <- nil }()
	b.stop = func() {
		cancel()
		for range 2 {
			if err := <-ended; err != nil {
				b.t.Error(err)
			}
		}
		f.Close()
	}
	b.over(b.notes)
	b.ready()
}

// over makes the service anew, over notes.
func (b *bank) over(notes profiles.Notes) {
	b.t.Helper()
	var err error
	b.server, err = profiles.NewServer(profiles.Config{
		Reader: query.Reader{Engine: b, Partitions: partitions}, Notes: notes, Clock: func() time.Time { return setAt },
		Principal: func(context.Context) string { return "tester" },
	})
	if err != nil {
		b.t.Fatal(err)
	}
}

// View implements query.Engine.
func (b *bank) View(ctx context.Context, q engine.Query) (*engine.View, error) {
	b.mu.Lock()
	b.asked = append(b.asked, q.MinOffset)
	b.mu.Unlock()
	return b.engine.View(ctx, q)
}

// ready waits until all tasks are here.
func (b *bank) ready() {
	b.t.Helper()
	deadline := time.After(time.Minute)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	var waits []engine.Query
	for p := range int32(partitions) {
		waits = append(waits, engine.Query{Projection: alerts.Name, Partition: p}, engine.Query{Projection: projected.Name, Partition: p})
	}
	for len(waits) > 0 {
		if v, err := b.engine.View(b.t.Context(), waits[0]); err == nil {
			v.Close()
			waits = waits[1:]
			continue
		}
		select {
		case <-deadline:
			b.t.Fatal("waited in vain for the tasks")
		case <-tick.C:
		}
	}
}

// refused checks that an error is a status with a reason.
func refused(t *testing.T, err error, code codes.Code, reason string) {
	t.Helper()
	got := ""
	for _, d := range status.Convert(err).Details() {
		if info, ok := d.(*errdetails.ErrorInfo); ok {
			got = info.GetReason()
		}
	}
	if status.Code(err) != code || got != reason {
		t.Errorf("got %v with reason %q, want %s with %s", err, got, code, reason)
	}
}

// Who never set any has none; who has no account is not known. A position that is none is refused.
func TestPreferencesThatWereNeverSet(t *testing.T) {
	b := newBank(t)
	p := topic.Of("c1", partitions)
	encoder, err := b.codec.Encoder(t.Context(), topic.Transactions, event.NameAccountOpened)
	if err != nil {
		t.Fatal(err)
	}
	value, err := encoder.Append(nil, &event.AccountOpened{Envelope: event.Envelope{CustomerID: "c1"}, AccountID: "c1.main", Kind: event.AccountCurrent})
	if err != nil {
		t.Fatal(err)
	}
	b.broker.Commit(fake.Record{Topic: topic.Transactions, Partition: p, Key: []byte("c1"), Value: value})
	v, err := b.engine.View(t.Context(), engine.Query{Projection: alerts.Name, Partition: p, MinOffset: b.broker.Ends(topic.Transactions)[p]})
	if err != nil {
		t.Fatal(err)
	}
	v.Close()
	if got := b.get(""); got.GetRevision() != 0 || got.GetSetAt() != nil || got.GetTimeZone() != "" {
		t.Errorf("got %v", got)
	}
	_, err = b.server.GetPreferences(t.Context(), &bankv1.GetPreferencesRequest{CustomerId: "c2"})
	refused(t, err, codes.NotFound, query.ReasonCustomerNotFound)
	if _, err := b.server.GetPreferences(t.Context(), &bankv1.GetPreferencesRequest{CustomerId: "c1", MinPosition: "x"}); !errors.Is(err, position.ErrToken) {
		t.Errorf("got %v, want ErrToken", err)
	}
}
