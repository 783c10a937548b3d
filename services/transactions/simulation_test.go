//go:build synctests

package transactions

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"google.golang.org/protobuf/proto"

	"github.com/refold/refold/schemas/api/bankv1"
	"github.com/refold/refold/services/transactions/history"
)

// The simulation: three brokers in memory and a few whole processes of the service, each with rows and a
// network of its own, in a bubble of testing/synctest, where time passes only when all wait for it, so that
// hours of sessions, time-outs and expiries take seconds.
//
// Clients send random commands while everything goes wrong that may; then all faults end, everything must
// serve again by itself within a bound, every key is asked for its answer, and the history of what everyone
// was told is held against the log, and the rows of every process against rows that are made afresh.
//
// The seed fixes workload and faults, not in which order goroutines run: a seed that failed may pass when it
// is run again. So a run that failed leaves its history, and what the processes logged, in files.
//
// It needs -tags synctests, with which the Kafka client waits for its locks so that virtual time can pass.
var (
	simulationSeeds = flag.Int("simulation.seeds", 8, "how many seeds are run")
	simulationSeed  = flag.Uint64("simulation.seed", 0, "the one seed to run, or 0: random ones")
	simulationKeep  = flag.String("simulation.keep", "", "the folder for what runs leave that fail; a temporary one where it is empty")
)

// healing bounds for how long something may be out of service after the last fault: a session that must
// time out, a transaction that must, and what it takes to go round the group and read up.
const healing = 60 * time.Second

// TestSimulation runs random seeds.
func TestSimulation(t *testing.T) {
	var sum tally
	begun := time.Now()
	for n := range *simulationSeeds {
		seed := *simulationSeed
		if seed == 0 {
			seed = rand.Uint64()
		} else if n > 0 {
			break
		}
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { sum.add(simulate(t, seed)) })
		})
	}
	sum.print(t, time.Since(begun))
}

// tally is what happened in runs.
type tally struct {
	runs, keys, answered, records int
	virtual                       time.Duration
	faults                        map[string]int64
}

func (s *tally) add(o tally) {
	s.runs++
	s.keys, s.answered, s.records, s.virtual = s.keys+o.keys, s.answered+o.answered, s.records+o.records, s.virtual+o.virtual
	if s.faults == nil {
		s.faults = make(map[string]int64)
	}
	for name, n := range o.faults {
		s.faults[name] += n
	}
}

func (s *tally) print(t *testing.T, took time.Duration) {
	var faults []string
	for _, name := range slices.Sorted(maps.Keys(s.faults)) {
		faults = append(faults, fmt.Sprintf("%s %d", name, s.faults[name]))
	}
	t.Logf("%d runs, %.2f virtual hours in %s, %d commands (%.0f a second), %d answers, %d records; faults: %s",
		s.runs, s.virtual.Hours(), took.Round(time.Millisecond), s.keys, float64(s.keys)/took.Seconds(), s.answered, s.records,
		strings.Join(faults, ", "))
}

// simulate makes one run, in a bubble.
func simulate(t *testing.T, seed uint64) tally {
	w := newSimulation(t, seed, planOf(seed))
	t.Logf("%+v", w.plan)
	defer w.keep()
	for slot := range w.processes {
		w.start(slot, nil)
	}
	w.opened()
	w.disturbed()
	faults := w.weather.end()
	w.weather.going.Wait()
	w.healed()
	w.settled()
	w.quiet()
	out := w.checked()
	out.faults = faults
	out.virtual = time.Since(w.begun)
	return out
}

// opened opens the accounts and gives them something.
func (w *simulation) opened() {
	c := w.newClient("opener", 3)
	for n := range simulatedAccounts {
		w.insist(c, &bankv1.OpenAccountRequest{
			IdempotencyKey: fmt.Sprint("open-", n), AccountId: simulatedAccount(n), Kind: bankv1.AccountKind_ACCOUNT_KIND_CURRENT,
			Currency: "EUR", OverdraftLimitMinor: int64(n % 2 * 50),
		})
		w.insist(c, deposit(simulatedAccount(n), fmt.Sprint("first-", n), 100))
	}
}

// insist sends a command until it is answered.
func (w *simulation) insist(c *client, r proto.Message) {
	ctx, cancel := context.WithTimeout(context.Background(), healing)
	defer cancel()
	for !c.ask(ctx, r, healing) {
		if !wait(ctx.Done(), 50*time.Millisecond) {
			w.t.Fatalf("%v: no answer within %s; %s", r, healing, w.status())
		}
	}
}

// status is what every process is doing.
func (w *simulation) status() string {
	var out []string
	for _, p := range w.running() {
		out = append(out, fmt.Sprintf("%s: %+v, its rows: %+v", p.name, p.cfg.Journal.Status(), p.follower.Progress()))
	}
	return strings.Join(out, "; ")
}

// disturbed lets clients and faults go on for as long as it is planned.
func (w *simulation) disturbed() {
	ctx, cancel := context.WithTimeout(context.Background(), w.plan.long)
	defer cancel()
	var wg sync.WaitGroup
	for n := range uint64(w.plan.clients) {
		c := w.newClient(fmt.Sprint("client", n), 100+n)
		wg.Go(func() { c.run(ctx) })
	}
	w.weather.going.Go(w.weather.run)
	wg.Wait()
}

// healed waits until every partition takes commands again.
func (w *simulation) healed() {
	begun := time.Now()
	for slot := range w.processes {
		if w.at(slot) == nil {
			w.start(slot, nil)
		}
	}
	c := w.newClient("healer", 4)
	for n := range simulatedAccounts {
		w.insist(c, deposit(simulatedAccount(n), fmt.Sprint("healed-", n), 1))
	}
	w.leaving.Wait()
	w.t.Logf("served again after %s", time.Since(begun))
}

// settled asks for every key whose asker does not know what became of it, and for some of the others, as its
// first asker did.
func (w *simulation) settled() {
	first, known := make(map[string]history.Event), make(map[string]bool)
	for _, e := range w.events() {
		key := e.Customer + " " + e.Key
		switch {
		case e.Kind == history.OK || e.Kind == history.Rejected:
			known[key] = true
		case e.Kind == history.Invoke && first[key].Call == 0:
			first[key] = e
		}
	}
	c := w.newClient("settler", 5)
	for _, key := range slices.Sorted(maps.Keys(first)) {
		if !known[key] || c.rng.IntN(20) == 0 {
			w.insist(c, requestFrom(w.t, first[key]))
		}
	}
}

// quiet waits until nothing is under way and no hold will expire. A transfer whose message was lost is sent again
// when it is half as old again.
func (w *simulation) quiet() {
	for begun := time.Now(); time.Since(begun) < w.plan.long+5*healing; {
		before := w.ends()
		wait(nil, 20*time.Second)
		if maps.Equal(before, w.ends()) && len(history.Drained(w.records())) == 0 {
			return
		}
	}
}

// checked checks everything and tells what there was.
func (w *simulation) checked() tally {
	ends := w.ends()
	rebuilt := w.rebuilt(ends)
	for slot := range w.processes {
		p := w.at(slot)
		ctx, cancel := context.WithTimeout(context.Background(), healing)
		for n, end := range ends {
			if err := p.follower.Wait(ctx, n, end); err != nil {
				w.t.Errorf("%s follows: %v", p.name, err)
			}
		}
		cancel()
		w.compare(p.name, rebuilt, w.leave(slot))
	}
	w.verify()
	w.spoiled = true // not again when the test ends
	events, records := w.events(), w.records()
	for _, problem := range append(history.Check(events, records), history.Drained(records)...) {
		w.t.Error(problem)
	}
	out := tally{records: len(records)}
	keys := make(map[string]bool)
	for _, e := range events {
		keys[e.Customer+" "+e.Key] = true
		if e.Kind == history.OK || e.Kind == history.Rejected {
			out.answered++
		}
	}
	out.keys = len(keys)
	return out
}

// records returns the committed log.
func (w *simulation) records() []history.Record {
	var out []history.Record
	w.read(func(rec *kgo.Record, f fact) {
		out = append(out, history.Record{Partition: rec.Partition, Offset: rec.Offset, Value: rec.Value, Fact: f})
	})
	return out
}

// wait waits for a while, or until done is closed; it says whether the while is over.
func wait(done <-chan struct{}, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-done:
		return false
	case <-timer.C:
		return true
	}
}
