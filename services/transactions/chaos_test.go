package transactions

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/refold/refold/schemas/api/bankv1"
)

// told is what callers were told about one key.
type told struct {
	request *bankv1.PostEntryRequest
	posted  []*bankv1.PostEntryResponse
	refused []*Refusal
}

// workload posts random entries to a few accounts, at random instances, each key now and then twice at once,
// and remembers every answer.
type workload struct {
	bank *bank
	mu   sync.Mutex
	at   []*instance      // guarded by mu
	told map[string]*told // guarded by mu
}

func (w *workload) instance(rng *rand.Rand) *instance {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.at[rng.IntN(len(w.at))]
}

// ask posts an entry once and remembers the answer, if it is one.
func (w *workload) ask(ctx context.Context, i *instance, key string, r *bankv1.PostEntryRequest) bool {
	answer, err := i.PostEntry(ctx, r)
	w.mu.Lock()
	defer w.mu.Unlock()
	t := w.told[key]
	if t == nil {
		t = &told{request: r}
		w.told[key] = t
	}
	refusal := refusalIn(err)
	switch {
	case err == nil:
		t.posted = append(t.posted, answer)
	case refusal != nil:
		t.refused = append(t.refused, refusal)
	case !retryable(err) && !errors.Is(err, context.DeadlineExceeded):
		w.bank.t.Errorf("%s: %v", key, err)
	default:
		return false
	}
	return true
}

func (w *workload) run(ctx context.Context, seed, worker uint64, accounts int) {
	rng := rand.New(rand.NewPCG(seed, worker))
	for n := 0; ctx.Err() == nil; n++ {
		key := fmt.Sprintf("%d-%d", worker, n)
		account := fmt.Sprintf("c%d.main", rng.IntN(accounts))
		r := deposit(account, key, 1+rng.Int64N(10))
		if rng.IntN(2) == 0 {
			r = withdrawal(account, key, 1+rng.Int64N(10))
		}
		for tries := 1 + rng.IntN(3); tries > 0 && ctx.Err() == nil; tries-- {
			// A caller loses patience at once, or after the seconds that a commit takes on a busy machine.
			patience, cancel := context.WithTimeout(ctx, time.Millisecond<<rng.IntN(14))
			w.ask(patience, w.instance(rng), key, r)
			cancel()
		}
	}
}

// disturbance makes requests fail at random, in every way, until it is ended.
type disturbance struct {
	kafka  *kfake.Cluster
	helper *kgo.Client
	faults []*kfake.FaultHandle
	ended  atomic.Bool
	hits   atomic.Int64 // beside those of faults

	// The rest is used by control functions, which the broker runs one at a time.

	rng      *rand.Rand
	applying map[attempt]bool
}

// attempt names a transaction that is being ended.
type attempt struct {
	id    int64
	epoch int16
}

func (b *bank) disturb(seed uint64) *disturbance {
	b.t.Helper()
	helper, err := b.cluster.Client()
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(helper.Close)
	d := &disturbance{kafka: b.kafka, helper: helper, rng: rand.New(rand.NewPCG(seed, 1<<32)), applying: make(map[attempt]bool)}
	for _, key := range []kmsg.Key{kmsg.Produce, kmsg.EndTxn, kmsg.InitProducerID, kmsg.ListOffsets} {
		for _, code := range errorCodes() {
			d.faults = append(d.faults, b.kafka.Fault(kfake.Fault{
				Keys: []kmsg.Key{key}, Err: code, Count: -1, TopLevel: key == kmsg.EndTxn || key == kmsg.InitProducerID,
				When: func(kmsg.Request) bool { return d.chance(300) },
			}))
		}
		b.kafka.ControlKey(int16(key), d.control)
	}
	return d
}

func (d *disturbance) chance(oneIn int) bool { return !d.ended.Load() && d.rng.IntN(oneIn) == 0 }

// control closes connections, and applies commits before it lets them fail.
func (d *disturbance) control(r kmsg.Request) (kmsg.Response, error, bool) { //nolint:revive // the order is that of kfake
	d.kafka.KeepControl()
	if d.chance(50) {
		d.hits.Add(1)
		return nil, errors.New("lost"), true
	}
	end, ok := r.(*kmsg.EndTxnRequest)
	if !ok {
		return nil, nil, false
	}
	this := attempt{end.ProducerID, end.ProducerEpoch}
	if d.applying[this] || !d.chance(20) {
		return nil, nil, false
	}
	d.hits.Add(1)
	d.applying[this] = true
	d.kafka.SleepControl(func() {
		again := *end
		_, _ = again.RequestWith(context.Background(), d.helper)
	})
	resp := end.ResponseKind().(*kmsg.EndTxnResponse)
	resp.ErrorCode = kerr.UnknownServerError.Code
	return resp, nil, true
}

// injected returns how much it has disturbed.
func (d *disturbance) injected() int64 {
	n := d.hits.Load()
	for _, f := range d.faults {
		n += int64(f.Hits())
	}
	return n
}

func (d *disturbance) end() {
	d.ended.Store(true)
	for _, f := range d.faults {
		f.Remove()
	}
}

// LG-3, I-ACK, I-SAME, I-ONCE: random entries from many callers at two instances that both believe to own all
// partitions, one of which comes and goes, while every few milliseconds a request fails. Afterwards every key has one record, everybody was told what
// it says, and the log is whole.
func TestLG3RandomEntriesUnderFaults(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	const accounts, workers, enough, long = 8, 12, 30, time.Second
	b := newBank(t, 2)
	steady := b.start().serving(2)
	for n := range accounts {
		steady.open(fmt.Sprintf("c%d.main", n))
	}
	w := &workload{bank: b, at: []*instance{steady, b.start(inGroup("other"))}, told: make(map[string]*told)}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	disturbance := b.disturb(seed)
	var wg sync.WaitGroup
	for worker := range uint64(workers) {
		wg.Go(func() { w.run(ctx, seed, worker, accounts) })
	}
	wg.Go(func() { w.churn(ctx) })
	begun := time.Now()
	steady.until(func() bool {
		return time.Since(begun) > long && w.answers() >= enough && disturbance.injected() >= enough/3
	})
	cancel()
	wg.Wait()
	disturbance.end()
	t.Logf("%d keys, %d answers, %d faults", len(w.told), w.answers(), disturbance.injected())
	w.settle()
	w.check()
}

// churn stops one instance and starts another, again and again.
func (w *workload) churn(ctx context.Context) {
	for ctx.Err() == nil {
		select {
		case <-time.After(300 * time.Millisecond):
		case <-ctx.Done():
		}
		w.mu.Lock()
		old := w.at[1]
		w.mu.Unlock()
		old.stop()
		fresh := w.bank.start(inGroup("other"))
		w.mu.Lock()
		w.at[1] = fresh
		w.mu.Unlock()
	}
}

// answers returns how many answers there were.
func (w *workload) answers() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := 0
	for _, t := range w.told {
		n += len(t.posted) + len(t.refused)
	}
	return n
}

// settle asks for every key until there is an answer.
func (w *workload) settle() {
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	var wg sync.WaitGroup
	busy := make(chan struct{}, 64)
	for key, t := range maps.Clone(w.told) {
		wg.Go(func() {
			busy <- struct{}{}
			defer func() { <-busy }()
			for !w.ask(ctx, w.at[0], key, t.request) {
				if ctx.Err() != nil {
					w.bank.t.Errorf("%s: no answer", key)
					return
				}
			}
		})
	}
	wg.Wait()
}

// check compares what was told with the log.
func (w *workload) check() {
	t := w.bank.t
	at := make(map[string]*kgo.Record)
	w.bank.read(func(rec *kgo.Record, f fact) { at[f.Envelop().IdempotencyKey] = rec })
	for key, told := range w.told {
		rec := at[key]
		if rec == nil {
			t.Errorf("%s was answered, and is not in the log", key)
			continue
		}
		if len(told.posted) > 0 && len(told.refused) > 0 {
			t.Errorf("%s was accepted and refused", key)
		}
		for _, a := range told.posted {
			if !same(a, told.posted[0]) {
				t.Errorf("%s was answered with %v and %v", key, told.posted[0], a)
			}
			if a.GetRecord().GetOffset() != rec.Offset || a.GetRecord().GetPartition() != rec.Partition {
				t.Errorf("%s: told %v, found at %d/%d", key, a.GetRecord(), rec.Partition, rec.Offset)
			}
		}
		for _, r := range told.refused {
			if r.Record.GetOffset() != rec.Offset || r.Reason != told.refused[0].Reason || r.Detail != told.refused[0].Detail {
				t.Errorf("%s: told %+v, found at %d", key, r, rec.Offset)
			}
		}
	}
}
