package rewards_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/refold/refold/projections/acts"
	"github.com/refold/refold/projections/engine"
	"github.com/refold/refold/projections/projection"
	projected "github.com/refold/refold/projections/rewards"
	"github.com/refold/refold/projections/store/memory"
	"github.com/refold/refold/projections/trail"
	"github.com/refold/refold/schemas/api/bankv1"
	"github.com/refold/refold/schemas/codec"
	"github.com/refold/refold/schemas/event"
	"github.com/refold/refold/services/query"
	"github.com/refold/refold/services/rewards"
	"github.com/refold/refold/streams/fake"
	"github.com/refold/refold/streams/feed"
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
	server *rewards.Server
	events int
}

func newBank(t *testing.T) *bank {
	t.Helper()
	b := &bank{t: t, broker: fake.New(t, partitions), codec: codec.New(new(codec.Local))}
	b.run()
	var err error
	if b.server, err = rewards.NewServer(query.Reader{Engine: b.engine, Partitions: partitions}); err != nil {
		t.Fatal(err)
	}
	return b
}

// run runs an engine until the test ends.
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
		Catalog: []*projection.Definition{trail.Definition(), projected.Definition()}, Logger: slog.New(slog.DiscardHandler),
	})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 2)
	go func() { ended <- b.engine.Run(ctx) }()
	go func() { _ = log.Run(ctx); ended <- nil }()
	b.t.Cleanup(func() {
		cancel()
		for range 2 {
			if err := <-ended; err != nil {
				b.t.Error(err)
			}
		}
		f.Close()
	})
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

func (b *bank) bought(at time.Time, minor int64) any {
	return &event.EntryPosted{Envelope: b.envelope(at), Kind: event.EntryCardPurchase, MCC: "1520", Legs: []event.Leg{
		{AccountID: "c1.main", AmountMinor: -minor, Currency: "EUR"}, {AccountID: "@world.0.EUR", AmountMinor: minor, Currency: "EUR"},
	}}
}

func (b *bank) redeemed(at time.Time, points int64) any {
	return &event.RewardRedemptionRequested{Envelope: b.envelope(at), AccountID: "c1.main", Points: points}
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
	b.ready()
	return position.Token{Positions: position.Vector{{Topic: topic.Transactions, Partition: p}: b.broker.Ends(topic.Transactions)[p]}}.Encode()
}

// ready waits until all tasks are here.
func (b *bank) ready() {
	b.t.Helper()
	deadline := time.After(time.Minute)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	waits := []engine.Query{{Projection: trail.Name}, {Projection: trail.Name, Partition: 1}, {Projection: projected.Name}, {Projection: projected.Name, Partition: 1}}
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

func TestCustomersThatAreNotToBeFound(t *testing.T) {
	b := newBank(t)
	b.commit(b.bought(day(1), 100))
	_, err := b.server.GetRewards(t.Context(), &bankv1.GetRewardsRequest{CustomerId: "c2"})
	refused(t, err, codes.NotFound, query.ReasonCustomerNotFound)
	_, err = b.server.ListRewardEntries(t.Context(), &bankv1.ListRewardEntriesRequest{CustomerId: "c2"})
	refused(t, err, codes.NotFound, query.ReasonCustomerNotFound)
}

func TestBadPositions(t *testing.T) {
	b := newBank(t)
	seen := b.commit(b.bought(day(1), 100))
	if _, err := b.server.GetRewards(t.Context(), &bankv1.GetRewardsRequest{CustomerId: "c1", MinPosition: "x"}); !errors.Is(err, position.ErrToken) {
		t.Errorf("got %v, want ErrToken", err)
	}
	if _, err := b.server.ListRewardEntries(t.Context(), &bankv1.ListRewardEntriesRequest{CustomerId: "c1", MinPosition: "x"}); !errors.Is(err, position.ErrToken) {
		t.Errorf("got %v, want ErrToken", err)
	}
	_, err := b.server.GetRewards(t.Context(), &bankv1.GetRewardsRequest{CustomerId: "c1", MinPosition: seen, AsOfPosition: seen})
	refused(t, err, codes.InvalidArgument, query.ReasonMalformed, "min_position")
	_, err = b.server.GetRewards(t.Context(), &bankv1.GetRewardsRequest{CustomerId: "c1", AsOfPosition: "x"})
	refused(t, err, codes.InvalidArgument, query.ReasonBadToken, "as_of_position")
}
