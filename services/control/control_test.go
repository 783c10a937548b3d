package control_test

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/refold/refold/projections/acts"
	"github.com/refold/refold/projections/balances"
	"github.com/refold/refold/projections/engine"
	"github.com/refold/refold/projections/projection"
	"github.com/refold/refold/projections/spending"
	"github.com/refold/refold/projections/store"
	"github.com/refold/refold/projections/store/memory"
	"github.com/refold/refold/schemas/api/refoldv1"
	"github.com/refold/refold/schemas/codec"
	"github.com/refold/refold/schemas/event"
	"github.com/refold/refold/services/control"
	"github.com/refold/refold/streams/fake"
	"github.com/refold/refold/streams/feed"
	"github.com/refold/refold/streams/position"
	"github.com/refold/refold/streams/topic"
)

const partitions = 2

// bank is a log with entries in it. Every customer has an account and one purchase for each month.
type bank struct {
	t      *testing.T
	broker *fake.Broker
	codec  *codec.Codec
	n      int
}

func newBank(t *testing.T) *bank {
	t.Helper()
	return &bank{t: t, broker: fake.New(t, partitions), codec: codec.New(new(codec.Local))}
}

// post adds one account with one purchase, both in one partition.
func (b *bank) post() {
	b.t.Helper()
	b.n++
	customer := fmt.Sprintf("c%d", b.n)
	account := customer + ".card"
	b.commit(customer, event.NameAccountOpened, &event.AccountOpened{
		Envelope: event.Envelope{CustomerID: customer}, AccountID: account, Kind: event.AccountCard, Currency: "EUR",
	})
	b.commit(customer, event.NameEntryPosted, &event.EntryPosted{
		Envelope: event.Envelope{CustomerID: customer}, Kind: event.EntryCardPurchase, Category: "food",
		Legs: []event.Leg{{AccountID: account, AmountMinor: -100, Currency: "EUR", BalanceAfterMinor: -100, AccountSeq: 1}},
	})
}

func (b *bank) commit(customer, name string, fact any) {
	b.t.Helper()
	encoder, err := b.codec.Encoder(b.t.Context(), topic.Transactions, name)
	if err != nil {
		b.t.Fatal(err)
	}
	value, err := encoder.Append(nil, fact)
	if err != nil {
		b.t.Fatal(err)
	}
	p := topic.Of(customer, partitions)
	b.broker.Commit(fake.Record{Topic: topic.Transactions, Partition: p, Key: []byte(customer), Value: value})
}

// run runs an engine until the returned function is called, and returns the service over it.
func (b *bank) run(stores store.Stores, catalog ...*projection.Definition) (*control.Server, func()) {
	b.t.Helper()
	f, err := feed.Open(b.broker.Cluster, topic.Acts)
	if err != nil {
		b.t.Fatal(err)
	}
	log, err := acts.NewLog(b.t.Context(), f, b.codec)
	if err != nil {
		b.t.Fatal(err)
	}
	e := engine.New(engine.Config{
		Cluster: b.broker.Cluster, Codec: b.codec, Stores: stores, Acts: log, Catalog: catalog,
		Instance: "test", Logger: slog.New(slog.DiscardHandler),
	})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 2)
	go func() { ended <- e.Run(ctx) }()
	go func() { _ = log.Run(ctx); ended <- nil }()
	s := control.NewServer(control.Config{Engine: e, Principal: func(context.Context) string { return "tester" }, Partitions: partitions,
		Key: func() (ed25519.PrivateKey, error) { return ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)), nil }})
	return s, func() {
		cancel()
		for range 2 {
			if err := <-ended; err != nil {
				b.t.Error(err)
			}
		}
		f.Close()
	}
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

// folded waits until the live generation of a projection has folded everything, and returns it.
func (b *bank) folded(s *control.Server, name string) (g *refoldv1.Generation) {
	b.t.Helper()
	var ends int64
	for _, end := range b.broker.Ends(topic.Transactions) {
		ends += end
	}
	until(b.t, name+" has folded everything", func() bool {
		g = nil
		for _, p := range b.list(s) {
			i := slices.IndexFunc(p.GetGenerations(), func(g *refoldv1.Generation) bool { return g.GetNumber() == p.GetLive() })
			if p.GetName() == name && i >= 0 {
				g = p.GetGenerations()[i]
			}
		}
		at, err := position.Decode(g.GetPosition())
		var sum int64
		for _, offset := range at.Positions {
			sum += offset
		}
		return err == nil && sum == ends
	})
	return g
}

func (b *bank) list(s *control.Server) []*refoldv1.Projection {
	b.t.Helper()
	got, err := s.ListProjections(b.t.Context(), &refoldv1.ListProjectionsRequest{})
	if err != nil {
		b.t.Fatal(err)
	}
	return got.GetProjections()
}

// reached waits until an operation is in a state, and returns it.
func (b *bank) reached(s *control.Server, id string, want refoldv1.GenerationState) (op *refoldv1.Operation) {
	b.t.Helper()
	until(b.t, fmt.Sprintf("%s is in %s", id, want), func() bool {
		var err error
		if op, err = s.GetOperation(b.t.Context(), &refoldv1.GetOperationRequest{Id: id}); err != nil {
			b.t.Fatal(err)
		}
		return op.GetGeneration().GetState() == want
	})
	return op
}

func TestProjections(t *testing.T) {
	b := newBank(t)
	s, stop := b.run(memory.New(), balances.Definition(), spending.Definition())
	defer stop()
	b.post()
	g := b.folded(s, spending.Name)
	if g.GetNumber() != 1 || g.GetVersion() != spending.Definition().Version || g.GetHash() != spending.Definition().Hash || g.GetState() != refoldv1.GenerationState_GENERATION_STATE_LIVE ||
		g.GetPrincipal() != engine.Platform || g.GetReason() == "" || g.GetLagEvents() != 0 || g.GetLagSeconds() != 0 || g.GetError() != "" {
		t.Errorf("got %v", g)
	}
	if age := time.Since(g.GetCreatedAt().AsTime()); age < 0 || age > time.Minute || g.GetEventTime() == nil {
		t.Errorf("got created at %v, event time %v", g.GetCreatedAt(), g.GetEventTime())
	}
	names := []string{}
	for _, p := range b.list(s) {
		names = append(names, p.GetName())
	}
	if want := []string{balances.Name, spending.Name}; !slices.Equal(names, want) {
		t.Errorf("got %v, want %v", names, want)
	}
}

func TestReplayPromoteRollbackCancel(t *testing.T) {
	b := newBank(t)
	s, stop := b.run(memory.New(), balances.Definition())
	defer stop()
	for range 10 {
		b.post()
	}
	b.folded(s, balances.Name)
	op, err := s.StartReplay(t.Context(), &refoldv1.StartReplayRequest{Projection: balances.Name, Reason: "to see"})
	if err != nil {
		t.Fatal(err)
	}
	if g := op.GetGeneration(); op.GetId() != "balances-2" || op.GetProjection() != balances.Name || op.GetLive() != 1 ||
		g.GetNumber() != 2 || g.GetPrincipal() != "tester" || g.GetReason() != "to see" {
		t.Errorf("got %v", op)
	}
	op = b.reached(s, "balances-2", refoldv1.GenerationState_GENERATION_STATE_VERIFIED)
	v := op.GetVerification()
	if v.GetRows() != 30 || v.GetDifferences() != 0 || len(v.GetExamples()) != 0 || v.GetDigest() != v.GetLiveDigest() || len(v.GetDigest()) != 32 {
		t.Errorf("got %v, want 30 equal rows", v)
	}
	b.samePositions(op)
	for _, step := range []struct {
		do    func() (*refoldv1.Operation, error)
		state refoldv1.GenerationState
		live  int64
	}{
		{func() (*refoldv1.Operation, error) {
			return s.Promote(t.Context(), &refoldv1.PromoteRequest{Id: "balances-2"})
		}, refoldv1.GenerationState_GENERATION_STATE_LIVE, 2},
		{func() (*refoldv1.Operation, error) {
			return s.Rollback(t.Context(), &refoldv1.RollbackRequest{Id: "balances-2"})
		}, refoldv1.GenerationState_GENERATION_STATE_UNSPECIFIED, 1},
		{func() (*refoldv1.Operation, error) {
			return s.Cancel(t.Context(), &refoldv1.CancelRequest{Id: "balances-2"})
		}, refoldv1.GenerationState_GENERATION_STATE_CANCELLED, 1},
	} {
		op, err := step.do()
		if err != nil {
			t.Fatal(err)
		}
		got := op.GetGeneration().GetState()
		if op.GetLive() != step.live || (got != step.state && step.state != refoldv1.GenerationState_GENERATION_STATE_UNSPECIFIED) {
			t.Errorf("got %s, live %d, want %s, live %d", got, op.GetLive(), step.state, step.live)
		}
	}
}

// samePositions checks that progress, position and verification of an operation that has folded everything
// say the same.
func (b *bank) samePositions(op *refoldv1.Operation) {
	b.t.Helper()
	at, err := position.Decode(op.GetGeneration().GetPosition())
	if err != nil {
		b.t.Fatal(err)
	}
	compared, err := position.Decode(op.GetVerification().GetPosition())
	if err != nil {
		b.t.Fatal(err)
	}
	if at.Generation != 2 || compared.Generation != 2 || len(op.GetPartitions()) != partitions {
		b.t.Errorf("got tokens %v and %v and partitions %v", at, compared, op.GetPartitions())
	}
	for p, end := range b.broker.Ends(topic.Transactions) {
		of := position.Partition{Topic: topic.Transactions, Partition: p}
		progress := op.GetPartitions()[p]
		if at.Positions[of] != end || compared.Positions[of] != end || progress.GetPartition() != p || progress.GetOffset() != end || progress.GetEnd() != end {
			b.t.Errorf("partition %d: got %d, %d and %v, want %d", p, at.Positions[of], compared.Positions[of], progress, end)
		}
	}
}

// broken is a projection of balances by another fold, with the same rows.
func broken(t *testing.T) *projection.Definition {
	t.Helper()
	type posted struct {
		CustomerID string `avro:"customer_id"`
	}
	d, err := projection.Define(balances.Name, balances.Definition().Version+1, projection.On(topic.Transactions, event.NameEntryPosted,
		func(e *posted, k *projection.Keys) { k.Add(e.CustomerID, e.CustomerID+".card") },
		func(k projection.Key, r *balances.Row, _ *posted, _ projection.Meta) error {
			r.Account = &balances.Account{AccountID: k.Sort, BalanceMinor: 7}
			return nil
		}))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestDifferencesAreShownAndRefused(t *testing.T) {
	b := newBank(t)
	stores := memory.New()
	s, stop := b.run(stores, balances.Definition())
	b.post()
	b.folded(s, balances.Name)
	stop()
	s, stop = b.run(stores, balances.Definition(), broken(t))
	defer stop()
	b.folded(s, balances.Name)
	if _, err := s.StartReplay(t.Context(), &refoldv1.StartReplayRequest{Projection: balances.Name}); err != nil {
		t.Fatal(err)
	}
	op := b.reached(s, "balances-2", refoldv1.GenerationState_GENERATION_STATE_VERIFIED)
	v := op.GetVerification()
	if v.GetDifferences() != 3 || len(v.GetExamples()) != 3 || v.GetDigest() == v.GetLiveDigest() {
		t.Fatalf("got %v, want three differences", v)
	}
	account, line := v.GetExamples()[0], v.GetExamples()[1]
	if account.GetKey() != "c1/c1.card" || account.GetPartition() != topic.Of("c1", partitions) || account.GetLive() == "" || account.GetCandidate() == "" {
		t.Errorf("got %v, want the account in both", account)
	}
	if !regexp.MustCompile(`^c1\.card/[0-9a-f]{32}$`).MatchString(line.GetKey()) || line.GetLive() == "" || line.GetCandidate() != "" {
		t.Errorf("got %v, want the line in the live generation only", line)
	}
	b.again(s, account)
	_, err := s.Promote(t.Context(), &refoldv1.PromoteRequest{Id: "balances-2"})
	if _, refused := acts.IsRefusal(err); !refused {
		t.Errorf("got %v, want a refusal", err)
	}
	forced, err := s.Promote(t.Context(), &refoldv1.PromoteRequest{Id: "balances-2", Force: true, Reason: "the fold was wrong"})
	if err != nil || forced.GetLive() != 2 {
		t.Errorf("got %v, %v, want generation 2 live", forced, err)
	}
}

// again compares once more, which gives the same differences, to the field.
func (b *bank) again(s *control.Server, account *refoldv1.RowDifference) {
	b.t.Helper()
	if f := account.GetFields(); len(f) == 0 || f[0].GetPath() != "Account.BalanceMinor" || f[0].GetLive() != "-100" || f[0].GetCandidate() != "7" {
		b.t.Errorf("got fields %v, want the balance first", f)
	}
	again, err := s.ListDifferences(b.t.Context(), &refoldv1.ListDifferencesRequest{Id: "balances-2"})
	if err != nil || again.GetDifferences() != 3 || !proto.Equal(again.GetRows()[0], account) {
		b.t.Errorf("got %v, %v, want the same once more", again, err)
	}
}

func TestStuckGenerationSaysWhy(t *testing.T) {
	b := newBank(t)
	s, stop := b.run(memory.New(), spending.Definition())
	defer stop()
	b.post()
	b.folded(s, spending.Name)
	b.broker.Commit(fake.Record{Topic: topic.Transactions, Partition: topic.Of("c1", partitions), Value: []byte("torn")})
	op := b.reached(s, "spending-1", refoldv1.GenerationState_GENERATION_STATE_STUCK)
	if g := op.GetGeneration(); g.GetError() == "" || g.GetLagEvents() == 0 || g.GetLagSeconds() <= 0 {
		t.Errorf("got %v", g)
	}
}

func TestWhatThereIsNot(t *testing.T) {
	b := newBank(t)
	s, stop := b.run(memory.New(), spending.Definition())
	defer stop()
	b.post()
	b.folded(s, spending.Name)
	_, started := s.StartReplay(t.Context(), &refoldv1.StartReplayRequest{Projection: "nothing"})
	_, found := s.GetOperation(t.Context(), &refoldv1.GetOperationRequest{Id: "spending-9"})
	_, promoted := s.Promote(t.Context(), &refoldv1.PromoteRequest{Id: "spending"})
	_, rolled := s.Rollback(t.Context(), &refoldv1.RollbackRequest{Id: "-1"})
	_, cancelled := s.Cancel(t.Context(), &refoldv1.CancelRequest{Id: "nothing-1"})
	for i, err := range []error{started, found, promoted, rolled, cancelled} {
		if !errors.Is(err, engine.ErrUnknown) {
			t.Errorf("call %d: got %v, want ErrUnknown", i, err)
		}
	}
	_, err := s.Cancel(t.Context(), &refoldv1.CancelRequest{Id: "spending-1"})
	if _, refused := acts.IsRefusal(err); !refused {
		t.Errorf("got %v, want a refusal: it is live", err)
	}
}
