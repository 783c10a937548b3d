//go:build synctests

package transactions

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"google.golang.org/protobuf/proto"

	"github.com/refold/refold/projections/engine"
	"github.com/refold/refold/projections/ledger"
	"github.com/refold/refold/projections/store/memory"
	"github.com/refold/refold/services/transactions/history"
	"github.com/refold/refold/streams/cluster"
	"github.com/refold/refold/streams/fake"
	"github.com/refold/refold/streams/journal"
	"github.com/refold/refold/streams/mailbox"
	"github.com/refold/refold/streams/timeline"
	"github.com/refold/refold/streams/topic"
)

// simulation is a cluster of three brokers and a few processes of the service in one bubble, in which time is
// virtual. Everything random in it comes of one seed.
type simulation struct {
	*bank
	seed    uint64
	plan    plan
	network kfake.VirtualNetwork
	weather *weather
	history *history.Recorder
	lines   *lockedBuffer // of the history
	log     *lockedBuffer
	begun   time.Time // in virtual time
	cut     int64     // where somebody else wrote to partition 0
	// leaving are processes that were left behind and end in their own time, and their networks.
	leaving sync.WaitGroup

	mu        sync.Mutex
	processes []*process // by their slots, nil where none runs; guarded by mu
	started   int        // guarded by mu
	holds     []placed   // that clients know; guarded by mu
	entries   []posted   // that clients know; guarded by mu
}

// plan is what a seed makes of a run. Each run has some of all workloads and faults, so that those which are
// there come often, and some do not hide others.
type plan struct {
	partitions int32
	processes  int
	clients    int
	static     bool // instances keep their place in the group for a while
	rivals     bool // every instance is the only one of its group: all believe to own everything
	long       time.Duration
	pause      time.Duration // a client waits as long at most between two commands
	workloads  []string
	faults     []string
}

func planOf(seed uint64) plan {
	rng := rand.New(rand.NewPCG(seed, 0))
	p := plan{
		partitions: 1 + rng.Int32N(3),
		processes:  2 + rng.IntN(2),
		clients:    2 + rng.IntN(7),
		static:     rng.IntN(2) == 0,
		rivals:     rng.IntN(5) == 0,
		long:       time.Duration(30+rng.IntN(270)) * time.Second,
		workloads:  some(rng, []string{bankWork, setWork, idempotenceWork, holdWork, statusWork}),
		faults:     some(rng, faultNames()),
	}
	commands := 100 << rng.IntN(6) // as many at most, or somewhat more
	p.pause = 2 * p.long * time.Duration(p.clients) / time.Duration(commands)
	return p
}

// some returns a random part of all, which is not empty.
func some(rng *rand.Rand, all []string) []string {
	rng.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all[:1+rng.IntN(len(all))]
}

// newSimulation makes a simulation of a plan, with nobody in it. It is called in a bubble.
func newSimulation(t *testing.T, seed uint64, p plan) *simulation {
	t.Helper()
	w := &simulation{seed: seed, plan: p, lines: &lockedBuffer{}, log: &lockedBuffer{}, begun: time.Now()}
	w.history = history.NewRecorder(w.lines)
	kafka, err := kfake.NewCluster(kfake.Ports(9092, 9093, 9094), kfake.ListenFn(w.network.Listen))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(kafka.Close)
	w.bank = newBankOn(t, p.partitions, cluster.Cluster{
		Seeds: kafka.ListenAddrs(), ClientID: "observer", Dial: w.network.DialContext,
	})
	w.kafka = kafka
	w.weather = newWeather(w)
	w.processes = make([]*process, p.processes)
	t.Cleanup(func() { // what a run leaves that failed
		w.weather.end()
		w.weather.going.Wait()
		for slot := range w.processes {
			w.crash(slot)
		}
		w.leaving.Wait()
	})
	return w
}

// process is one instance of the service, with rows and a network of its own.
type process struct {
	*Server
	world    *simulation
	name     string
	slot     int
	link     *fake.Link
	disk     *disk
	follower *engine.Follower
	log      *timeline.Picker
	mail     *mailbox.Mailbox
	ahead    atomic.Int64 // what its clock is ahead of the others, in ns
	end      func()       // ends it in good order
}

// start starts a process in a slot, on rows that were left behind or new ones.
func (w *simulation) start(slot int, rows *memory.Store) {
	if rows == nil {
		rows = memory.NewStore()
	}
	w.mu.Lock()
	w.started++
	p := &process{world: w, name: fmt.Sprintf("p%d-%d", slot, w.started), slot: slot, link: fake.NewLink(&w.network), disk: newDisk(rows)}
	w.mu.Unlock()
	p.link.Delay, p.link.Fate = w.weather.delay, w.weather.fate
	if err := p.run(); err != nil {
		w.t.Errorf("start %s: %v", p.name, err)
		return
	}
	w.mu.Lock()
	w.processes[slot] = p
	w.mu.Unlock()
}

// run puts the process together as package node does.
func (p *process) run() error {
	w := p.world
	logger := slog.New(slog.NewTextHandler(w.log, nil)).With("process", p.name)
	c := cluster.Cluster{Seeds: w.cluster.Seeds, ClientID: p.name, Dial: p.link.Dial}
	var err error
	p.follower, err = engine.NewFollower(engine.FollowerConfig{
		Cluster: c, Codec: w.codec, Definition: ledger.Definition(), Store: p.disk, Logger: logger,
	})
	if err != nil {
		return err
	}
	var all []int32
	for n := range w.partitions {
		all = append(all, n)
	}
	if err := p.follower.Assign(all); err != nil {
		return err
	}
	if p.log, err = timeline.NewPicker(c); err != nil {
		return err
	}
	machines, err := OpenMachines(context.Background(), w.codec, topic.Transactions, p.follower, p.log)
	if err != nil {
		return err
	}
	cfg := journal.Config[*Command, Outcome]{
		Cluster: c, Topic: topic.Transactions, NewMachine: machines.New, Log: logger,
		Clock: func() time.Time { return time.Now().Add(time.Duration(p.ahead.Load())) },
	}
	if w.plan.static {
		cfg.Instance = fmt.Sprintf("slot%d", p.slot)
	}
	if w.plan.rivals {
		cfg.Group = fmt.Sprintf("group%d", p.slot)
	}
	if p.mail, err = mailbox.Open(c, topic.Transfers, logger); err != nil {
		return err
	}
	var carried Mail = p.mail
	if w.bank.mail != nil {
		carried = w.bank.mail(p.mail)
	}
	j := journal.New(cfg)
	p.Server = NewServer(Config{
		Journal: j, Ledger: p.follower, Codec: w.codec, Topic: topic.Transactions, Partitions: w.partitions,
		Principal: func(context.Context) string { return "tester" },
		Validate:  func(proto.Message) error { return nil },
		Mail:      carried, Log: logger,
	})
	p.begin(j)
	return nil
}

// begin runs the parts of the process, each until those after it have ended.
func (p *process) begin(j *Journal) {
	parts := []func(context.Context) error{p.follower.Run, j.Run, p.ExpireHolds, p.RelayTransfers}
	var stops []func()
	for _, run := range parts {
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan struct{})
		go func() {
			defer close(done)
			if err := run(ctx); err != nil {
				fmt.Fprintf(p.world.log, "%s: %v\n", p.name, err)
			}
		}()
		stops = append(stops, func() {
			cancel()
			<-done
		})
	}
	p.end = sync.OnceFunc(func() {
		for i := len(stops) - 1; i >= 0; i-- {
			stops[i]()
		}
		p.mail.Close()
		p.log.Close()
		p.follower.Close()
	})
}

// at returns the process of a slot, nil where none runs.
func (w *simulation) at(slot int) *process {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.processes[slot]
}

// running returns all processes that run.
func (w *simulation) running() []*process {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []*process
	for _, p := range w.processes {
		if p != nil {
			out = append(out, p)
		}
	}
	return out
}

// remove takes the process out of a slot, nil where none runs.
func (w *simulation) remove(slot int) *process {
	w.mu.Lock()
	defer w.mu.Unlock()
	p := w.processes[slot]
	w.processes[slot] = nil
	return p
}

// leave stops the process of a slot in good order, and returns its rows.
func (w *simulation) leave(slot int) *memory.Store {
	p := w.remove(slot)
	if p == nil {
		return nil
	}
	p.disk.delay.Store(0)
	p.end()
	p.link.Kill()
	w.leaving.Go(p.link.Wait)
	rows, _ := p.disk.crash()
	return rows
}

// crash leaves the process of a slot behind as kill -9 would: nobody hears of it again, and what it is doing
// saves nothing. It returns its rows as they are, and as they were some time before.
func (w *simulation) crash(slot int) (rows, older *memory.Store) {
	p := w.remove(slot)
	if p == nil {
		return nil, nil
	}
	rows, older = p.disk.crash()
	p.link.Kill()
	w.leaving.Go(p.link.Wait)
	w.leaving.Go(p.end)
	return rows, older
}

// lockedBuffer is a buffer that many may write to.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer // guarded by mu
}

func (l *lockedBuffer) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *lockedBuffer) Bytes() []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	return bytes.Clone(l.b.Bytes())
}
