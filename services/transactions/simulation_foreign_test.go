//go:build synctests

package transactions

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/refold/refold/services/transactions/history"
	"github.com/refold/refold/streams/journal"
	"github.com/refold/refold/streams/topic"
)

// KW-10, KW-11: in a quiet run, somebody else writes to partition 0. From there on nothing of it may be
// answered that is new; the other partitions go on, and starting again changes nothing.
func TestKW10SimulatedForeignRecord(t *testing.T) {
	for name, write := range map[string]func(*simulation, *rand.Rand){
		"a record":            (*simulation).foreign,
		"an old record":       (*simulation).copied,
		"an open transaction": (*simulation).hanging,
	} {
		for n := range max(1, *simulationSeeds/8) {
			seed := rand.Uint64()
			if *simulationSeed != 0 {
				seed = *simulationSeed + uint64(n)
			}
			t.Run(fmt.Sprint(name, "/seed=", seed), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { disturbedByOthers(t, seed, write) })
			})
		}
	}
}

func disturbedByOthers(t *testing.T, seed uint64, write func(*simulation, *rand.Rand)) {
	w := newSimulation(t, seed, plan{
		partitions: 2, processes: 2, clients: 4, long: 40 * time.Second, pause: 400 * time.Millisecond,
		workloads: []string{bankWork, setWork, holdWork}, faults: []string{"leave", "crash", "pause"},
	})
	w.spoiled = true
	defer w.keep()
	for slot := range w.processes {
		w.start(slot, nil)
	}
	w.opened()
	rng := rand.New(rand.NewPCG(seed, 6))
	w.weather.going.Go(func() {
		wait(w.weather.done, time.Duration(rng.Int64N(int64(20*time.Second))))
		write(w, rng)
	})
	w.disturbed()
	w.weather.end()
	w.weather.going.Wait()
	end := w.cut
	c := w.newClient("healer", 4)
	for n := range simulatedAccounts {
		r := deposit(simulatedAccount(n), fmt.Sprint("after-", n), 1)
		if topic.Of(fmt.Sprint("c", n), w.partitions) != 0 {
			w.insist(c, r)
		} else if c.ask(context.Background(), r, 12*time.Second) {
			t.Errorf("%s was answered behind the record of somebody else", r.GetIdempotencyKey())
		}
	}
	for _, p := range w.running() {
		for _, s := range p.cfg.Journal.Status() {
			if s.Partition == 0 && s.State == journal.Serving {
				t.Errorf("%s serves partition 0: %+v", p.name, s)
			}
		}
	}
	w.answeredBefore(end)
}

// answeredBefore checks that nothing was answered of partition 0 from an offset on.
func (w *simulation) answeredBefore(end int64) {
	for _, e := range w.events() {
		if e.Record != nil && e.Record.Partition == 0 && e.Record.Offset >= end {
			w.t.Errorf("key %s was answered at %d, which is behind %d", e.Key, e.Record.Offset, end)
		}
	}
}

// foreign writes a record that is none of the journal's.
func (w *simulation) foreign(rng *rand.Rand) {
	w.put([]byte(fmt.Sprint("hello ", rng.IntN(10))))
}

// copied writes a record of the journal once more.
func (w *simulation) copied(*rand.Rand) {
	var all []history.Record
	for _, r := range w.records() {
		if r.Partition == 0 {
			all = append(all, r)
		}
	}
	w.put(all[len(all)-1].Value)
}

// put writes to partition 0 as a producer that knows nothing of journals.
func (w *simulation) put(value []byte) {
	w.write(value, kgo.RecordPartitioner(kgo.ManualPartitioner()))
}

// hanging begins a transaction in partition 0 that nobody ends.
func (w *simulation) hanging(*rand.Rand) {
	w.write([]byte("hello"), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.TransactionalID("foreign"), kgo.TransactionTimeout(10*time.Minute))
}

func (w *simulation) write(value []byte, opts ...kgo.Opt) {
	client, err := w.cluster.Client(opts...)
	if err != nil {
		w.t.Error(err)
		return
	}
	w.t.Cleanup(client.Close)
	_ = client.BeginTransaction() // where it has none it needs none
	r := &kgo.Record{Topic: topic.Transactions, Partition: 0, Value: value}
	if err := client.ProduceSync(context.Background(), r).FirstErr(); err != nil {
		w.t.Error(err)
	}
	w.cut = r.Offset
}
