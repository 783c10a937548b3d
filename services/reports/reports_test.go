package reports_test

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
	"github.com/refold/refold/projections/balances"
	"github.com/refold/refold/projections/engine"
	"github.com/refold/refold/projections/merchants"
	"github.com/refold/refold/projections/projection"
	"github.com/refold/refold/projections/spending"
	"github.com/refold/refold/projections/store/memory"
	"github.com/refold/refold/projections/totals"
	"github.com/refold/refold/projections/trail"
	"github.com/refold/refold/schemas/api/bankv1"
	"github.com/refold/refold/schemas/codec"
	"github.com/refold/refold/schemas/event"
	"github.com/refold/refold/services/query"
	"github.com/refold/refold/services/reports"
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
	server *reports.Server
	on     int32 // the partition that facts are written to
	// seq and balance are of each account.
	seq, balance map[string]int64
}

func newBank(t *testing.T) *bank {
	t.Helper()
	b := &bank{
		t: t, broker: fake.New(t, partitions), codec: codec.New(new(codec.Local)),
		on: topic.Of("c1", partitions), seq: make(map[string]int64), balance: make(map[string]int64),
	}
	b.run()
	var err error
	b.server, err = reports.NewServer(query.Reader{Engine: b.engine, Partitions: partitions})
	if err != nil {
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
		Catalog: []*projection.Definition{
			trail.Definition(), balances.Definition(), spending.Definition(), merchants.Definition(), totals.Definition(),
		},
		Logger: slog.New(slog.DiscardHandler),
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

// opened is an account of a customer.
func opened(account string, kind string) *event.AccountOpened {
	customer, _, _ := strings.Cut(account, ".")
	return &event.AccountOpened{
		Envelope:  event.Envelope{CustomerID: customer, OccurredAt: 1_000_000},
		AccountID: account, Kind: kind, Currency: "EUR", OverdraftLimitMinor: 500,
	}
}

// posted is an entry on an account, at a time.
func (b *bank) posted(account string, at time.Time, kind, category string, amount int64) *event.EntryPosted {
	customer, _, _ := strings.Cut(account, ".")
	b.seq[account]++
	b.balance[account] += amount
	leg := event.Leg{AccountID: account, AmountMinor: amount, Currency: "EUR", BalanceAfterMinor: b.balance[account], AccountSeq: b.seq[account]}
	return &event.EntryPosted{
		Envelope: event.Envelope{EventID: account, CustomerID: customer, OccurredAt: event.MicrosOf(at), RecordedAt: 7_000_000},
		Kind:     kind, Category: category, Merchant: "the shop",
		Legs: []event.Leg{leg, {AccountID: "@world.0.EUR", AmountMinor: -amount, Currency: "EUR"}},
	}
}

// commit writes facts in one transaction and returns the token of the position behind them.
func (b *bank) commit(facts ...any) string {
	b.t.Helper()
	p := b.on
	var records []fake.Record
	for _, fact := range facts {
		name := "bank." + strings.TrimPrefix(fmt.Sprintf("%T", fact), "*event.")
		encoder, err := b.codec.Encoder(b.t.Context(), topic.Transactions, name)
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
	b.ready(p)
	return token(p, b.broker.Ends(topic.Transactions)[p])
}

// ready waits until the tasks of a partition are here.
func (b *bank) ready(partition int32) {
	b.t.Helper()
	for _, name := range []string{trail.Name, balances.Name, spending.Name, merchants.Name, totals.Name} {
		until(b.t, "the task is here", func() bool {
			v, err := b.engine.View(b.t.Context(), engine.Query{Projection: name, Partition: partition})
			if err == nil {
				v.Close()
			}
			return err == nil
		})
	}
}

// token returns the token of one position of the journal.
func token(partition int32, offset int64) string {
	return position.Token{Positions: position.Vector{{Topic: topic.Transactions, Partition: partition}: offset}}.Encode()
}

// until waits for a condition.
func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline := time.After(time.Minute)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-deadline:
			t.Fatalf("waited in vain until %s", what)
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
			got = info.GetDomain() + "/" + info.GetReason()
		}
	}
	if status.Code(err) != code || got != "refold/"+reason {
		t.Errorf("got %v with reason %s, want %s with %s", err, got, code, reason)
	}
}

func TestReadWaitsForItsPosition(t *testing.T) {
	b := newBank(t)
	b.commit(opened("c1.main", event.AccountCurrent))
	p := topic.Of("c1", partitions)
	next := b.broker.Ends(topic.Transactions)[p] + 1
	asked := make(chan struct{})
	answered := make(chan *bankv1.GetAccountResponse, 1)
	go func() {
		close(asked)
		got, err := b.server.GetAccount(t.Context(), &bankv1.GetAccountRequest{AccountId: "c1.main", MinPosition: token(p, next)})
		if err != nil {
			t.Error(err)
		}
		answered <- got
	}()
	<-asked
	b.commit(b.posted("c1.main", time.Unix(9, 0), event.EntryDeposit, "", 5))
	if got := (<-answered).GetAccount().GetBalanceMinor(); got != 5 {
		t.Errorf("got balance %d, want 5", got)
	}
}

func TestPositionThatDoesNotCome(t *testing.T) {
	b := newBank(t)
	seen := b.commit(opened("c1.main", event.AccountCurrent))
	if _, err := b.server.GetAccount(t.Context(), &bankv1.GetAccountRequest{AccountId: "c1.main", MinPosition: seen}); err != nil {
		t.Fatal(err)
	}
	p := topic.Of("c1", partitions)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err := b.server.GetAccount(ctx, &bankv1.GetAccountRequest{AccountId: "c1.main", MinPosition: token(p, 1_000_000)})
	if !errors.Is(err, engine.ErrBehind) {
		t.Errorf("got %v, want ErrBehind", err)
	}
	// The other partition's position says nothing about this one.
	if _, err := b.server.GetAccount(t.Context(), &bankv1.GetAccountRequest{AccountId: "c1.main", MinPosition: token(1-p, 1_000_000)}); err != nil {
		t.Error(err)
	}
}

func TestBadPositions(t *testing.T) {
	b := newBank(t)
	good := b.commit(opened("c1.main", event.AccountCurrent))
	other := position.Token{LogID: "another", Positions: position.Vector{{Topic: topic.Transactions}: 1}}.Encode()
	for _, bad := range []string{"x", good[:len(good)-1], "A" + good, other} {
		if _, err := b.server.GetAccount(t.Context(), &bankv1.GetAccountRequest{AccountId: "c1.main", MinPosition: bad}); !errors.Is(err, position.ErrToken) {
			t.Errorf("%q: got %v, want ErrToken", bad, err)
		}
		if _, err := b.server.GetSpending(t.Context(), &bankv1.GetSpendingRequest{CustomerId: "c1", MinPosition: bad}); !errors.Is(err, position.ErrToken) {
			t.Errorf("%q: got %v, want ErrToken", bad, err)
		}
	}
}

func TestLagIsTold(t *testing.T) {
	b := newBank(t)
	seen := b.commit(opened("c1.main", event.AccountCurrent))
	ask := &bankv1.GetAccountRequest{AccountId: "c1.main", MinPosition: seen}
	if _, err := b.server.GetAccount(t.Context(), ask); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	// The task stands still at a record that it cannot read.
	b.broker.Commit(fake.Record{Topic: topic.Transactions, Partition: topic.Of("c1", partitions), Key: []byte("c1"), Value: []byte("torn")})
	until(t, "there is lag", func() bool {
		got, err := b.server.GetAccount(t.Context(), ask)
		if err != nil {
			t.Fatal(err)
		}
		f := got.GetFreshness()
		if f.GetLagEvents() == 0 && f.GetLagSeconds() != 0 {
			t.Errorf("got %v without lag in events", f)
		}
		if age := time.Since(began).Seconds(); f.GetLagSeconds() > age+1 {
			t.Errorf("got %v s of lag, %v s after the record was written", f.GetLagSeconds(), age)
		}
		return f.GetLagEvents() == 2 && f.GetLagSeconds() > 0.2
	})
}
