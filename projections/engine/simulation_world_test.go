//go:build synctests

package engine_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/refold/refold/projections/acts"
	"github.com/refold/refold/projections/engine"
	"github.com/refold/refold/projections/projection"
	"github.com/refold/refold/schemas/codec"
	"github.com/refold/refold/schemas/event"
	"github.com/refold/refold/streams/cluster"
	"github.com/refold/refold/streams/fake"
	"github.com/refold/refold/streams/feed"
	"github.com/refold/refold/streams/topic"
)

// world is a broker and a few processes in a bubble, whose time is virtual. Everything random in it comes of one
// seed.
type world struct {
	*testing.T
	plan     plan
	dice     *dice
	network  kfake.VirtualNetwork
	kafka    *kfake.Cluster
	cluster  cluster.Cluster // without faults
	producer *kgo.Client
	codec    *codec.Codec
	encoder  *codec.Encoder
	shelf    *shelf
	poison   *poison
	log      *lockedBuffer
	begun    time.Time // in virtual time
	number   int64     // of the last event

	mu        sync.Mutex
	processes []*process // guarded by mu; by their slots, nil where none runs
	started   int
	// going are faults that end in their own time, leaving are processes that were left behind.
	going, leaving sync.WaitGroup
	wires          sync.WaitGroup

	reader *reader
	counts map[string]int // what was done
}

// plan is what a seed makes of a run.
type plan struct {
	partitions int32
	processes  int
	static     bool // instances keep their place in the group for a while
	slow       bool // every write of rows takes a while
	maxRows    int
	mended     bool // in the end the fold fails no more, and everything that is parked is retried
	steps      int
}

func planOf(rng *rand.Rand) plan {
	return plan{
		partitions: 1 + rng.Int32N(2),
		processes:  1 + rng.IntN(3),
		static:     rng.IntN(3) == 0,
		slow:       rng.IntN(2) == 0,
		maxRows:    rng.IntN(2) * 2,
		mended:     rng.IntN(3) > 0,
		steps:      5 + rng.IntN(11),
	}
}

// dice are what many throw.
type dice struct {
	mu  sync.Mutex
	rng *rand.Rand // guarded by mu
}

func (d *dice) upTo(n int) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.rng.IntN(n)
}

// newWorld makes a world with nobody in it. It is called in a bubble.
func newWorld(t *testing.T, seed uint64, log *lockedBuffer) *world {
	t.Helper()
	rng := rand.New(rand.NewPCG(seed, 0))
	w := &world{
		T: t, plan: planOf(rng), dice: &dice{rng: rng}, codec: codec.New(new(codec.Local)),
		poison: &poison{bad: make(map[int64]bool)}, log: log, begun: time.Now(), counts: make(map[string]int),
	}
	w.shelf = newShelf(w.plan.processes > 1, log, w.again)
	var err error
	if w.kafka, err = kfake.NewCluster(kfake.Ports(9092), kfake.ListenFn(w.network.Listen)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.kafka.Close)
	w.cluster = cluster.Cluster{Seeds: w.kafka.ListenAddrs(), ClientID: "observer", Dial: w.network.DialContext}
	w.producer, err = w.cluster.Client(kgo.TransactionalID(writer), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.producer.Close)
	var topics []topic.Topic
	for _, all := range topic.All(w.plan.partitions) {
		if all.Name == topic.Acts || all.Name == topic.Transactions || all.Name == topic.Notifications {
			topics = append(topics, all)
		}
	}
	if _, err := topic.Ensure(t.Context(), w.producer, topics); err != nil {
		t.Fatal(err)
	}
	if w.encoder, err = w.codec.Encoder(t.Context(), topic.Transactions, event.NameEntryPosted); err != nil {
		t.Fatal(err)
	}
	w.processes = make([]*process, w.plan.processes)
	t.Cleanup(func() {
		w.going.Wait()
		for slot := range w.processes {
			w.crash(slot)
		}
		w.leaving.Wait()
		w.shelf.arriving.Wait()
		w.wires.Wait()
	})
	return w
}

// writer is the transactional id of who writes events.
const writer = "writer"

// append writes events in one transaction.
func (w *world) append(n int, end kgo.TransactionEndTry) {
	w.Helper()
	if err := w.producer.BeginTransaction(); err != nil {
		w.Fatal(err)
	}
	partitions := make(map[int32]bool)
	for range n {
		w.number++
		customer := fmt.Sprint("c", w.dice.upTo(customers))
		value, err := w.encoder.Append(nil, &event.EntryPosted{
			Envelope: event.Envelope{CustomerID: customer, OccurredAt: event.MicrosOf(time.Now())},
			Kind:     event.EntryCardPurchase,
			Legs: []event.Leg{
				{AccountID: customer + ".card", AmountMinor: -w.number, Currency: "EUR"},
				{AccountID: "@world.0.EUR", AmountMinor: w.number, Currency: "EUR"},
			},
		})
		if err != nil {
			w.Fatal(err)
		}
		at := topic.Of(customer, w.plan.partitions)
		partitions[at] = true
		w.producer.Produce(w.Context(), &kgo.Record{Topic: topic.Transactions, Partition: at, Key: []byte(customer), Value: value}, nil)
	}
	if err := w.producer.Flush(w.Context()); err != nil {
		w.Fatal(err)
	}
	if err := w.producer.EndTransaction(w.Context(), end); err != nil {
		w.Fatal(err)
	}
}

// process is an engine with a network and a view of the rows of its own.
type process struct {
	*engine.Engine
	name string
	link *fake.Link
	desk *desk
	acts *acts.Log
	kill func() // ends it as kill -9 would: nobody hears of it any more, and it writes nothing
	end  func() // ends it in good order
}

// start starts a process in a slot.
func (w *world) start(slot int) {
	w.Helper()
	w.started++
	p := &process{name: fmt.Sprintf("p%d-%d", slot, w.started), link: fake.NewLink(&w.network), desk: newDesk(w.shelf, w.writing)}
	p.kill = sync.OnceFunc(func() { p.desk.end(); p.link.Kill(); w.wires.Go(p.link.Wait) })
	c := cluster.Cluster{Seeds: w.cluster.Seeds, ClientID: p.name, Dial: p.link.Dial}
	f, err := feed.Open(c, topic.Acts)
	if err != nil {
		w.Fatal(err)
	}
	if p.acts, err = acts.NewLog(w.Context(), f, w.codec); err != nil {
		w.Fatal(err)
	}
	instance := ""
	if w.plan.static {
		instance = fmt.Sprint("slot", slot)
	}
	p.Engine = engine.New(engine.Config{
		Cluster: c, Codec: w.codec, Stores: p.desk, Acts: p.acts, Instance: instance, MaxRows: w.plan.maxRows,
		Catalog: []*projection.Definition{simulatedDefinition(w.T, w.poison)},
		Logger:  slog.New(slog.NewTextHandler(w.log, nil)).With("process", p.name),
	})
	stops := []func(){p.part(w.log, p.acts.Run), p.part(w.log, p.Run)}
	watched := make(chan struct{})
	go func() { // what is gone in the middle of its writes is gone altogether
		defer close(watched)
		<-p.desk.gone
		p.kill()
	}()
	p.end = sync.OnceFunc(func() {
		for _, stop := range slices.Backward(stops) {
			stop()
		}
		f.Close()
		p.kill()
		<-watched
	})
	w.mu.Lock()
	defer w.mu.Unlock()
	w.processes[slot] = p
}

// at returns the process of a slot, nil where none runs.
func (w *world) at(slot int) *process {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.processes[slot]
}

// remove takes the process out of a slot, nil where none runs.
func (w *world) remove(slot int) *process {
	w.mu.Lock()
	defer w.mu.Unlock()
	p := w.processes[slot]
	w.processes[slot] = nil
	return p
}

// part runs a part of the process until it is stopped. What ends by itself takes the process with it.
func (p *process) part(log io.Writer, run func(context.Context) error) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := run(ctx); ctx.Err() == nil {
			fmt.Fprintf(log, "%s ended: %v\n", p.name, err)
			p.kill()
		}
	}()
	return func() {
		cancel()
		<-done
	}
}

// writing is how long a write of a row takes.
func (w *world) writing() time.Duration {
	if !w.plan.slow {
		return 0
	}
	return time.Duration(w.dice.upTo(300)) * time.Millisecond
}

// again is after how long a write arrives once more, 0 where it does not.
func (w *world) again() time.Duration {
	if w.dice.upTo(6) > 0 {
		return 0
	}
	return time.Duration(1+w.dice.upTo(2000)) * time.Millisecond
}

// crash leaves the process of a slot behind as kill -9 would.
func (w *world) crash(slot int) {
	p := w.remove(slot)
	if p == nil {
		return
	}
	p.kill()
	w.shelf.release(p.desk)
	w.leaving.Go(p.end)
}

// leave ends the process of a slot in good order.
func (w *world) leave(slot int) {
	if p := w.remove(slot); p != nil {
		p.end()
		w.shelf.release(p.desk)
	}
}

// gone tells whether the process writes nothing any more.
func (p *process) gone() bool {
	select {
	case <-p.desk.gone:
		return true
	default:
		return false
	}
}

// some returns a process that runs, nil where none does.
func (w *world) some() *process {
	var all []*process
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, p := range w.processes {
		if p != nil && !p.gone() {
			all = append(all, p)
		}
	}
	if len(all) == 0 {
		return nil
	}
	return all[w.dice.upTo(len(all))]
}

// wait waits for a while, or until done is closed; it says whether the while is over.
func wait(done <-chan struct{}, d time.Duration) bool {
	select {
	case <-done:
		return false
	default:
	}
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-done:
		return false
	case <-timer.C:
		return true
	}
}
