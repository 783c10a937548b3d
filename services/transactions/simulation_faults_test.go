//go:build synctests

package transactions

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/refold/refold/projections/store/memory"
	"github.com/refold/refold/services/transactions/history"
	"github.com/refold/refold/streams/fake"
	"github.com/refold/refold/streams/topic"
)

// weather is the faults that come and go: a fault is told to a slot, and lasts for a while.
type weather struct {
	*simulation
	done  chan struct{} // closed when all faults end
	ended atomic.Bool
	going sync.WaitGroup

	mu     sync.Mutex
	rng    *rand.Rand        // guarded by mu
	fates  map[fake.Fate]int // one request in so many has it; guarded by mu
	slow   int64             // the network's longest delay in µs; guarded by mu
	counts map[string]int64  // faults by their names; guarded by mu
}

func newWeather(w *simulation) *weather {
	return &weather{
		simulation: w, done: make(chan struct{}), rng: rand.New(rand.NewPCG(w.seed, 1)),
		fates: make(map[fake.Fate]int), slow: 500, counts: make(map[string]int64),
	}
}

// faults are the kinds of faults by their names. Each lasts as long as it is told and then ends.
func faults() map[string]func(*weather, *rand.Rand, int, time.Duration) {
	return map[string]func(*weather, *rand.Rand, int, time.Duration){
		"error":        (*weather).errors,
		"lost request": func(w *weather, r *rand.Rand, _ int, d time.Duration) { w.lose(fake.RequestLost, r, d) },
		"lost reply":   func(w *weather, r *rand.Rand, _ int, d time.Duration) { w.lose(fake.ReplyLost, r, d) },
		"lying reply":  func(w *weather, r *rand.Rand, _ int, d time.Duration) { w.lose(fake.ReplyLies, r, d) },
		"cut": func(w *weather, _ *rand.Rand, slot int, _ time.Duration) {
			w.each(slot, func(p *process) { p.link.Cut() })
		},
		"partition":    (*weather).partition,
		"pause":        (*weather).standstill,
		"clock":        (*weather).clock,
		"slow disk":    (*weather).slowDisk,
		"slow network": (*weather).slowNetwork,
		"crash":        (*weather).crashes,
		"leave":        (*weather).leaves,
		"leader":       (*weather).leader,
		"coordinator":  func(w *weather, _ *rand.Rand, _ int, _ time.Duration) { w.kafka.RehashCoordinators() },
	}
}

func faultNames() []string { return slices.Sorted(maps.Keys(faults())) }

// run lets faults come until done is closed.
func (w *weather) run() {
	rng := rand.New(rand.NewPCG(w.seed, 2))
	for wait(w.done, time.Duration(200+rng.IntN(8_000))*time.Millisecond) {
		name := w.plan.faults[rng.IntN(len(w.plan.faults))]
		slot := rng.IntN(len(w.processes))
		long := time.Duration(rng.ExpFloat64() * float64(6*time.Second))
		own := rand.New(rand.NewPCG(rng.Uint64(), rng.Uint64()))
		w.note(name, fmt.Sprintf("%s of slot %d for %s", name, slot, long.Round(time.Millisecond)))
		w.going.Go(func() { faults()[name](w, own, slot, long) })
	}
}

// note counts a fault and writes it to the history.
func (w *weather) note(name, what string) {
	w.mu.Lock()
	w.counts[name]++
	w.mu.Unlock()
	w.history.Add(history.Event{Kind: history.Fault, What: what})
}

// each does something to the process of a slot, if one runs.
func (w *weather) each(slot int, do func(*process)) {
	if p := w.at(slot); p != nil {
		do(p)
	}
}

// delay is for how long a request or reply is under way.
func (w *weather) delay() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return time.Duration(50+w.rng.Int64N(w.slow)) * time.Microsecond
}

// fate is what becomes of a request.
func (w *weather) fate(key kmsg.Key) fake.Fate {
	if w.ended.Load() {
		return fake.Arrives
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, f := range []fake.Fate{fake.RequestLost, fake.ReplyLost, fake.ReplyLies} {
		oneIn := w.fates[f]
		if oneIn == 0 || f == fake.ReplyLies && key != kmsg.EndTxn || w.rng.IntN(oneIn) > 0 {
			continue
		}
		w.counts[[]string{"", "request lost", "reply lost", "reply that lied"}[f]]++
		return f
	}
	return fake.Arrives
}

func (w *weather) lose(f fake.Fate, rng *rand.Rand, d time.Duration) {
	w.mu.Lock()
	w.fates[f] = 1 << rng.IntN(6)
	w.mu.Unlock()
	wait(w.done, d)
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.fates, f)
}

// codes are the errors that a request may be refused with; some of them after it was carried out.
func codes() map[kmsg.Key][]*kerr.Error {
	transactions := errorCodes()
	group := []*kerr.Error{kerr.NotCoordinator, kerr.CoordinatorLoadInProgress, kerr.UnknownMemberID, kerr.IllegalGeneration}
	read := []*kerr.Error{kerr.NotLeaderForPartition, kerr.UnknownServerError, kerr.KafkaStorageError, kerr.RequestTimedOut}
	return map[kmsg.Key][]*kerr.Error{
		kmsg.Produce: transactions, kmsg.AddPartitionsToTxn: transactions, kmsg.EndTxn: transactions,
		kmsg.InitProducerID: transactions, kmsg.ListOffsets: read, kmsg.Fetch: read,
		kmsg.FindCoordinator: {kerr.CoordinatorNotAvailable, kerr.CoordinatorLoadInProgress, kerr.UnknownServerError},
		kmsg.Heartbeat:       group, kmsg.JoinGroup: group[:3], kmsg.SyncGroup: group,
	}
}

func (w *weather) errors(rng *rand.Rand, _ int, d time.Duration) {
	keys := slices.Sorted(maps.Keys(codes()))
	key := keys[rng.IntN(len(keys))]
	all := codes()[key]
	code, oneIn := all[rng.IntN(len(all))], 1<<rng.IntN(5)
	var hits atomic.Int64
	f := w.kafka.Fault(kfake.Fault{
		Keys: []kmsg.Key{key}, Err: code, Count: -1, TopLevel: key == kmsg.EndTxn || key == kmsg.InitProducerID,
		When: func(kmsg.Request) bool { return hits.Add(1)%int64(oneIn) == 0 },
	})
	wait(w.done, d)
	f.Remove()
	w.note("refused", fmt.Sprintf("%s was refused with %s %d times", key.Name(), code.Message, f.Hits()))
	w.mu.Lock()
	defer w.mu.Unlock()
	w.counts["refused"] += int64(f.Hits()) - 1
}

// partition takes the network of a process away; nobody hears of what was under way.
func (w *weather) partition(_ *rand.Rand, slot int, d time.Duration) {
	w.each(slot, func(p *process) {
		p.link.Freeze()
		wait(w.done, 2*d)
		p.link.Cut()
		p.link.Thaw()
	})
}

// standstill lets a process stand still, often for longer than its session and its transaction; what was
// under way arrives then.
func (w *weather) standstill(_ *rand.Rand, slot int, d time.Duration) {
	w.each(slot, func(p *process) {
		p.disk.delay.Store(int64(d))
		p.link.Freeze()
		wait(w.done, 3*d)
		p.link.Thaw()
		p.disk.delay.Store(0)
	})
}

func (w *weather) clock(rng *rand.Rand, slot int, d time.Duration) {
	w.each(slot, func(p *process) {
		p.ahead.Store(int64([]time.Duration{-time.Hour, time.Hour, time.Millisecond}[rng.IntN(3)]))
		wait(w.done, d)
		p.ahead.Store(0)
	})
}

func (w *weather) slowDisk(rng *rand.Rand, slot int, d time.Duration) {
	w.each(slot, func(p *process) {
		p.disk.delay.Store(int64(time.Millisecond << rng.IntN(13)))
		wait(w.done, d)
		p.disk.delay.Store(0)
	})
}

func (w *weather) slowNetwork(rng *rand.Rand, _ int, d time.Duration) {
	w.mu.Lock()
	w.slow = 500 << rng.IntN(11)
	w.mu.Unlock()
	wait(w.done, d)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.slow = 500
}

func (w *weather) crashes(rng *rand.Rand, slot int, d time.Duration) {
	w.each(slot, func(p *process) { p.disk.remember() })
	wait(w.done, d/4)
	rows, older := w.simulation.crash(slot)
	if rows == nil {
		return
	}
	wait(w.done, d)
	w.simulation.start(slot, []*memory.Store{rows, rows, older, nil}[rng.IntN(4)])
}

func (w *weather) leaves(rng *rand.Rand, slot int, d time.Duration) {
	rows := w.simulation.leave(slot)
	if rows == nil {
		return
	}
	wait(w.done, d)
	w.simulation.start(slot, []*memory.Store{rows, nil}[rng.IntN(2)])
}

func (w *weather) leader(rng *rand.Rand, _ int, _ time.Duration) {
	p, node := rng.Int32N(w.partitions), rng.Int32N(3)
	if err := w.kafka.MoveTopicPartition(topic.Transactions, p, node); err != nil {
		w.t.Error(err)
	}
}

// end ends all faults and returns how many of each kind there were.
func (w *weather) end() map[string]int64 {
	if !w.ended.Swap(true) {
		close(w.done)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return maps.Clone(w.counts)
}
