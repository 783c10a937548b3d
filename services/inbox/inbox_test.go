package inbox_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/refold/refold/projections/acts"
	"github.com/refold/refold/projections/alerts"
	"github.com/refold/refold/projections/engine"
	projected "github.com/refold/refold/projections/inbox"
	"github.com/refold/refold/projections/projection"
	"github.com/refold/refold/projections/store/memory"
	"github.com/refold/refold/schemas/codec"
	"github.com/refold/refold/schemas/event"
	"github.com/refold/refold/services/inbox"
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
	server *inbox.Server
	notes  *note.Log
	stop   func() // ends the engine
	events int
}

// readAt is when everything is read.
var readAt = time.Date(2014, 6, 1, 12, 0, 0, 0, time.UTC)

func newBank(t *testing.T) *bank {
	t.Helper()
	b := &bank{t: t, broker: fake.New(t, partitions), codec: codec.New(new(codec.Local))}
	var err error
	if b.notes, err = note.Open(t.Context(), b.broker.Cluster, b.codec, topic.Notifications, event.NameNotificationRead); err != nil {
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
	b.server, err = inbox.NewServer(inbox.Config{
		Reader: query.Reader{Engine: b.engine, Partitions: partitions}, Notes: b.notes, Clock: func() time.Time { return readAt },
		Principal: func(context.Context) string { return "tester" },
	})
	if err != nil {
		b.t.Fatal(err)
	}
	b.ready() // what is recorded before the alerts begin is no news
}

// day returns a day of 2014, counted from the first of January.
func day(n int) time.Time { return time.Date(2014, 1, n, 0, 0, 0, 0, time.UTC) }

func (b *bank) envelope(at time.Time) event.Envelope {
	b.events++
	return event.Envelope{
		EventID: fmt.Sprintf("event-%d", b.events), CustomerID: "c1", PartitionSeq: int64(b.events),
		OccurredAt: event.MicrosOf(at), RecordedAt: event.MicrosOf(at),
	}
}

// bought is a card purchase of c1: of 500.00 and more the customer is told.
func (b *bank) bought(at time.Time, minor int64) any {
	return &event.EntryPosted{Envelope: b.envelope(at), Kind: event.EntryCardPurchase, Legs: []event.Leg{
		{AccountID: "c1.card", AmountMinor: -minor, Currency: "EUR", BalanceAfterMinor: -minor}, {AccountID: "@world.0.EUR", AmountMinor: minor, Currency: "EUR"},
	}}
}

// commit writes facts of c1 in one transaction and returns the token of the position behind them.
func (b *bank) commit(facts ...any) string {
	b.t.Helper()
	p := topic.Of("c1", partitions)
	var records []fake.Record
	for _, fact := range facts {
		encoder, err := b.codec.Encoder(b.t.Context(), topic.Transactions, "bank."+strings.TrimPrefix(fmt.Sprintf("%T", fact), "*event."))
		if err != nil {
			b.t.Fatal(err)
		}
		value, err := encoder.Append(nil, fact)
		if err != nil {
			b.t.Fatal(err)
		}
		records = append(records, fake.Record{Topic: topic.Transactions, Partition: p, Key: []byte("c1"), Value: value})
	}
	b.broker.Commit(records...)
	return position.Token{Positions: position.Vector{{Topic: topic.Transactions, Partition: p}: b.broker.Ends(topic.Transactions)[p]}}.Encode()
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

// refused checks that an error is a status with a reason, and names a field where one is given.
func refused(t *testing.T, err error, code codes.Code, reason string, fields ...string) {
	t.Helper()
	got, named := "", []string(nil)
	for _, d := range status.Convert(err).Details() {
		switch d := d.(type) {
		case *errdetails.ErrorInfo:
			got = d.GetDomain() + "/" + d.GetReason()
		case *errdetails.BadRequest:
			for _, v := range d.GetFieldViolations() {
				named = append(named, v.GetField())
			}
		}
	}
	if status.Code(err) != code || got != "refold/"+reason || strings.Join(named, " ") != strings.Join(fields, " ") {
		t.Errorf("got %v with reason %s of %v, want %s with %s of %v", err, got, named, code, reason, fields)
	}
}
