package transactions

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"google.golang.org/protobuf/proto"

	"github.com/refold/refold/schemas/api/bankv1"
	"github.com/refold/refold/schemas/codec"
	"github.com/refold/refold/schemas/event"
	"github.com/refold/refold/services/transactions/model"
	"github.com/refold/refold/streams/cluster"
	"github.com/refold/refold/streams/journal"
	"github.com/refold/refold/streams/mailbox"
	"github.com/refold/refold/streams/timeline"
	"github.com/refold/refold/streams/topic"
)

const within = time.Minute

// bank is a broker in memory with one journal topic, and instances of the service on it.
type bank struct {
	t          testing.TB
	kafka      *kfake.Cluster
	cluster    cluster.Cluster
	codec      *codec.Codec
	partitions int32
	// patience is that of instances that are started; 5 s where it is zero.
	patience time.Duration
	// mail changes the mail of instances that are started; nil: it stays as it is.
	mail func(Mail) Mail
	// spoiled says that the test has put something into the log that does not belong there.
	spoiled bool
}

// newBank starts a bank. When the test ends the whole log is verified.
func newBank(t testing.TB, partitions int32, opts ...kfake.Opt) *bank {
	t.Helper()
	kafka, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(1)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(kafka.Close)
	b := newBankOn(t, partitions, cluster.Cluster{Seeds: kafka.ListenAddrs(), ClientID: "test"})
	b.kafka = kafka
	return b
}

// newBankOn starts a bank on brokers whose topics it makes where they are missing.
func newBankOn(t testing.TB, partitions int32, c cluster.Cluster) *bank {
	t.Helper()
	client, err := c.Client()
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if _, err := topic.Ensure(t.Context(), client, topic.All(partitions)); err != nil {
		t.Fatal(err)
	}
	b := &bank{t: t, cluster: c, codec: codec.New(&schemas{}), partitions: partitions}
	t.Cleanup(func() {
		if !b.spoiled {
			b.verify()
		}
	})
	return b
}

// instance is one process of the service.
type instance struct {
	*Server
	bank   *bank
	ledger *followed
	stop   func()
	keys   atomic.Int64
}

// key returns an idempotency key that no other call got.
func (i *instance) key() string { return fmt.Sprint("key-", i.keys.Add(1)) }

// option changes the configuration of an instance.
type option func(*journal.Config[*Command, Outcome])

// inGroup lets an instance believe to own partitions that those of another group own as well.
func inGroup(name string) option {
	return func(c *journal.Config[*Command, Outcome]) { c.Group = name }
}

// start starts an instance that owns every partition, unless it shares its group with another one.
func (b *bank) start(options ...option) *instance {
	b.t.Helper()
	f := b.follow()
	log, err := timeline.NewPicker(b.cluster)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(log.Close)
	machines, err := OpenMachines(b.t.Context(), b.codec, topic.Transactions, f, log)
	if err != nil {
		b.t.Fatal(err)
	}
	cfg := journal.Config[*Command, Outcome]{
		Cluster: b.cluster, Topic: topic.Transactions, NewMachine: machines.New,
		Patience: cmp.Or(b.patience, 5*time.Second), Log: slog.New(slog.NewTextHandler(testWriter{b.t}, nil)),
	}
	for _, o := range options {
		o(&cfg)
	}
	j := journal.New(cfg)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- j.Run(ctx) }()
	mail, err := mailbox.Open(b.cluster, topic.Transfers, cfg.Log)
	if err != nil {
		b.t.Fatal(err)
	}
	var carried Mail = mail
	if b.mail != nil {
		carried = b.mail(mail)
	}
	i := &instance{bank: b, ledger: f}
	i.Server = NewServer(Config{
		Journal: j, Ledger: f, Codec: b.codec, Topic: topic.Transactions, Partitions: b.partitions,
		Principal: func(context.Context) string { return "tester" },
		Validate:  func(proto.Message) error { return nil },
		Mail:      carried, Log: cfg.Log,
		Explain:  func(err error) (string, string) { return "TEST", err.Error() },
		Patience: b.patience,
	})
	relayed := make(chan error, 1)
	go func() { relayed <- i.RelayTransfers(ctx) }()
	i.stop = sync.OnceFunc(func() {
		cancel()
		if err := errors.Join(<-done, <-relayed); err != nil {
			b.t.Errorf("run: %v", err)
		}
		mail.Close()
	})
	b.t.Cleanup(i.stop)
	return i
}

// serving waits until the instance serves n partitions.
func (i *instance) serving(n int) *instance {
	i.bank.t.Helper()
	i.until(func() bool {
		at := 0
		for _, s := range i.cfg.Journal.Status() {
			if s.State == journal.Serving {
				at++
			}
		}
		return at == n
	})
	return i
}

// until waits for a condition.
func (i *instance) until(ok func() bool) {
	i.bank.t.Helper()
	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	deadline := time.After(within)
	for !ok() {
		select {
		case <-ticker.C:
		case <-deadline:
			i.bank.t.Fatalf("waited in vain; status %+v", i.cfg.Journal.Status())
		}
	}
}

// open opens an account in EUR, however often it takes.
func (i *instance) open(account string) {
	i.bank.t.Helper()
	i.retried(func(ctx context.Context) error {
		_, err := i.OpenAccount(ctx, &bankv1.OpenAccountRequest{
			IdempotencyKey: "open-" + account, AccountId: account, Kind: bankv1.AccountKind_ACCOUNT_KIND_CURRENT, Currency: "EUR",
		})
		return err
	})
}

func deposit(account, key string, amount int64) *bankv1.PostEntryRequest {
	return &bankv1.PostEntryRequest{
		IdempotencyKey: key, AccountId: account, Kind: bankv1.EntryKind_ENTRY_KIND_DEPOSIT, AmountMinor: amount, Currency: "EUR",
	}
}

func withdrawal(account, key string, amount int64) *bankv1.PostEntryRequest {
	r := deposit(account, key, amount)
	r.Kind = bankv1.EntryKind_ENTRY_KIND_WITHDRAWAL
	return r
}

// post posts an entry, once: only where it certainly was not taken it tries again.
func (i *instance) post(r *bankv1.PostEntryRequest) (*bankv1.PostEntryResponse, error) {
	ctx, cancel := context.WithTimeout(i.bank.t.Context(), within)
	defer cancel()
	for {
		answer, err := i.PostEntry(ctx, r)
		if !errors.Is(err, journal.ErrNotOwner) || ctx.Err() != nil {
			return answer, err
		}
	}
}

// posted posts an entry, however often it takes.
func (i *instance) posted(r *bankv1.PostEntryRequest) *bankv1.PostEntryResponse {
	i.bank.t.Helper()
	var answer *bankv1.PostEntryResponse
	i.retried(func(ctx context.Context) (err error) {
		answer, err = i.PostEntry(ctx, r)
		return err
	})
	return answer
}

// retried does what a client does: it retries what may be retried.
func (i *instance) retried(do func(context.Context) error) {
	i.bank.t.Helper()
	ctx, cancel := context.WithTimeout(i.bank.t.Context(), within)
	defer cancel()
	for {
		err := do(ctx)
		if err == nil {
			return
		}
		if !retryable(err) || ctx.Err() != nil {
			i.bank.t.Fatal(err)
		}
	}
}

func retryable(err error) bool {
	return errors.Is(err, journal.ErrUnavailable) || errors.Is(err, journal.ErrNotOwner) || errors.Is(err, journal.ErrBusy)
}

// balance returns the balance of an account, by asking the log.
func (b *bank) balance(account string) int64 {
	b.t.Helper()
	var last int64
	b.read(func(_ *kgo.Record, f fact) {
		if e, ok := f.(*event.EntryPosted); ok {
			for _, l := range e.Legs {
				if l.AccountID == account {
					last = l.BalanceAfterMinor
				}
			}
		}
	})
	return last
}

// recordsOf returns how many records there are of an idempotency key.
func (b *bank) recordsOf(key string) int {
	b.t.Helper()
	n := 0
	b.read(func(_ *kgo.Record, f fact) {
		if f.Envelop().IdempotencyKey == key {
			n++
		}
	})
	return n
}

// read reads the log, every partition up to its end, with a client of its own.
func (b *bank) read(each func(*kgo.Record, fact)) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	client, err := b.cluster.Client()
	if err != nil {
		b.t.Fatal(err)
	}
	defer client.Close()
	ends, err := cluster.Ends(ctx, client, topic.Transactions)
	if err != nil {
		b.t.Fatal(err)
	}
	reader, err := timeline.NewReader(b.cluster, timeline.Config{MaxWait: 10 * time.Millisecond})
	if err != nil {
		b.t.Fatal(err)
	}
	defer reader.Close()
	for p, end := range ends {
		if end == 0 {
			delete(ends, p)
			continue
		}
		reader.Add(topic.Transactions, p, 0)
	}
	for len(ends) > 0 {
		batches, err := reader.Poll(ctx)
		if err != nil {
			b.t.Fatal(err)
		}
		for _, batch := range batches {
			for _, rec := range batch.Records {
				each(rec, b.decode(rec))
			}
			if batch.Next >= ends[batch.Partition] {
				delete(ends, batch.Partition)
			}
		}
	}
}

func (b *bank) decode(rec *kgo.Record) fact {
	b.t.Helper()
	f, err := DecodeFact(context.Background(), b.codec, rec.Value)
	if err != nil {
		b.t.Fatal(err)
	}
	return f
}

// verify holds the log against the standing invariants I-SUM, I-GLOBAL, I-FLOOR, I-ONCE, I-SEQ, I-CHAIN and
// I-WRITER, and every outcome in it against the model: I-MODEL.
func (b *bank) verify() {
	b.t.Helper()
	report := b.report()
	for _, p := range report.Problems {
		b.t.Errorf("verify: %s", p)
	}
	for _, p := range b.modelled().Problems {
		b.t.Errorf("model: %s", p)
	}
}

// modelled holds the log against the model.
func (b *bank) modelled() model.Report {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	report, err := model.Verifier{Cluster: b.cluster, Codec: b.codec, Topic: topic.Transactions}.Verify(ctx)
	if err != nil {
		b.t.Fatal(err)
	}
	return report
}

func (b *bank) report() Report {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	v := Verifier{Cluster: b.cluster, Codec: b.codec, Topic: topic.Transactions, Partitions: b.partitions}
	report, err := v.Verify(ctx)
	if err != nil {
		b.t.Fatal(err)
	}
	return report
}

// reasonOf returns the reason of a refusal, "" for no error.
func reasonOf(t *testing.T, err error) string {
	t.Helper()
	var r *Refusal
	switch {
	case err == nil:
		return ""
	case errors.As(err, &r):
		return r.Reason
	}
	t.Fatalf("got error %v, want a refusal or none", err)
	return ""
}

// same says whether two answers to one key are equal but for the mark of a replay.
func same(a, b *bankv1.PostEntryResponse) bool {
	x, y := proto.CloneOf(a), proto.CloneOf(b)
	x.Replayed, y.Replayed = false, false
	return proto.Equal(x, y)
}

// testWriter writes to the log of a test.
type testWriter struct{ t testing.TB }

func (w testWriter) Write(b []byte) (int, error) {
	w.t.Log(strings.TrimSpace(string(b)))
	return len(b), nil
}
