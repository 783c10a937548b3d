package engine

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/refold/refold/projections/projection"
	"github.com/refold/refold/projections/store"
	"github.com/refold/refold/projections/store/pebble"
	"github.com/refold/refold/projections/trail"
	"github.com/refold/refold/schemas/codec"
	"github.com/refold/refold/schemas/event"
	"github.com/refold/refold/streams/fake"
	"github.com/refold/refold/streams/timeline"
	"github.com/refold/refold/streams/topic"
)

// site is a journal of two partitions, and generations that are built from it.
type site struct {
	*testing.T
	broker  *fake.Broker
	codec   *codec.Codec
	schemas *registry
	stores  *pebble.Stores
	builder *Builder
	seq     int64
}

// registry is one that can be out of reach.
type registry struct {
	codec.Local
	away atomic.Bool
}

var errAway = errors.New("it is away")

// SchemaByID implements codec.Registry.
func (r *registry) SchemaByID(ctx context.Context, id int) (string, error) {
	if r.away.Load() {
		return "", errAway
	}
	return r.Local.SchemaByID(ctx, id)
}

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

func newSite(t *testing.T, entries int) *site {
	t.Helper()
	s := &site{T: t, broker: fake.New(t, 2), schemas: new(registry)}
	s.codec = codec.New(s.schemas)
	s.stores = pebble.New(t.TempDir(), 8<<20, quiet)
	t.Cleanup(s.stores.Close)
	s.post(entries)
	var err error
	if s.builder, err = NewBuilder(s.broker.Cluster, quiet); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.builder.Close)
	return s
}

// post writes entries of 50 customers, in transactions of 100.
func (s *site) post(n int) {
	s.Helper()
	e, err := s.codec.Encoder(s.Context(), topic.Transactions, event.NameEntryPosted)
	if err != nil {
		s.Fatal(err)
	}
	var all []fake.Record
	for range n {
		s.seq++
		customer := fmt.Sprint("c", s.seq%50)
		value, err := e.Append(nil, &event.EntryPosted{
			Envelope: event.Envelope{CustomerID: customer, PartitionSeq: 3000 * s.seq, RecordedAt: event.Micros(s.seq)},
			Kind:     event.EntryFee, Category: fmt.Sprint("category ", s.seq%7),
			Legs: []event.Leg{{AccountID: customer + ".main", AmountMinor: -s.seq, Currency: "EUR"}, {AccountID: "@fees.0.EUR", AmountMinor: s.seq, Currency: "EUR"}},
		})
		if err != nil {
			s.Fatal(err)
		}
		all = append(all, fake.Record{Topic: topic.Transactions, Partition: int32(s.seq % 2), Value: value})
		if len(all) == 100 {
			s.broker.Commit(all...)
			all = nil
		}
	}
	if len(all) > 0 {
		s.broker.Commit(all...)
	}
}

// counting is a projection that the fold of a record of a customer fails, where one is named.
func counting(t *testing.T, name, fails string) *projection.Definition {
	t.Helper()
	type row struct {
		Count int64 `avro:"count"`
		Last  int64 `avro:"last"`
	}
	type posted struct {
		CustomerID   string `avro:"customer_id"`
		PartitionSeq int64  `avro:"partition_seq"`
	}
	d, err := projection.Define(name, 1, projection.On(topic.Transactions, event.NameEntryPosted,
		func(e *posted, k *projection.Keys) { k.Add(e.CustomerID, "") },
		func(_ projection.Key, r *row, e *posted, _ projection.Meta) error {
			if e.CustomerID == fails {
				return errAway
			}
			r.Count++
			r.Last = e.PartitionSeq
			return nil
		}))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// follow follows both partitions until the test ends or stop is called.
func (s *site) follow(d *projection.Definition, number int64, b *Builder) (f *Follower, rows store.Store, stop func()) {
	s.Helper()
	rows, err := s.stores.Open(store.Generation{Projection: d.Name, Number: number})
	if err != nil {
		s.Fatal(err)
	}
	f, err = NewFollower(FollowerConfig{Cluster: s.broker.Cluster, Codec: s.codec, Definition: d, Store: rows, Logger: quiet, Builder: b})
	if err != nil {
		s.Fatal(err)
	}
	if err := f.Assign([]int32{0, 1}); err != nil {
		s.Fatal(err)
	}
	ctx, cancel := context.WithCancel(s.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = f.Run(ctx)
	}()
	return f, rows, func() {
		cancel()
		<-ended
		f.Close()
		if err := rows.Close(); err != nil {
			s.Error(err)
		}
	}
}

// reach waits until everything that there is is folded.
func (s *site) reach(f *Follower) {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), time.Minute)
	defer cancel()
	for p, end := range s.broker.Ends(topic.Transactions) {
		if err := f.Wait(ctx, p, end); err != nil {
			s.Fatal(err)
		}
	}
}

// all prints checkpoints and rows.
func (s *site) all(rows store.Store) string {
	s.Helper()
	var b bytes.Buffer
	for p := range int32(2) {
		c, err := rows.Checkpoint(p)
		if err != nil {
			s.Fatal(err)
		}
		fmt.Fprintf(&b, "%d: %d %v %x\n", p, c.Next, c.EventTime, c.Log)
		if err := rows.Scan(p, nil, nil, func(k, v []byte) bool {
			fmt.Fprintf(&b, "%q %x\n", k, v)
			return true
		}); err != nil {
			s.Fatal(err)
		}
	}
	return b.String()
}

// What is built is what is followed, with room for all rows and next to none, saved once and again and again; and
// so is what follows it.
func TestWhatIsBuiltIsWhatIsFollowed(t *testing.T) {
	s := newSite(t, 3000)
	followed, want, stop := s.follow(trail.Definition(), 1, nil)
	defer stop()
	s.reach(followed)
	for n, bounds := range []struct {
		rows    int
		records int64
	}{{1_000_000, 1_000_000}, {1, 1_000_000}, {60, 300}} {
		s.builder.rows, s.builder.records = bounds.rows, bounds.records
		built, rows, stop := s.follow(trail.Definition(), int64(n)+2, s.builder)
		s.reach(built)
		if got, want := s.all(rows), s.all(want); got != want {
			t.Errorf("%+v: got\n%swant\n%s", bounds, got, want)
		}
		s.post(200)
		s.reach(followed)
		s.reach(built)
		if got, want := s.all(rows), s.all(want); got != want {
			t.Errorf("%+v, after it followed: got\n%swant\n%s", bounds, got, want)
		}
		stop()
	}
}

// A task that has rows is followed from where it was.
func TestATaskIsBuiltOnce(t *testing.T) {
	s := newSite(t, 500)
	f, rows, stop := s.follow(trail.Definition(), 1, s.builder)
	s.reach(f)
	want := s.all(rows)
	stop()
	defer s.hold()() // nothing can be built
	f, rows, stop = s.follow(trail.Definition(), 1, s.builder)
	defer stop()
	s.reach(f)
	if got := s.all(rows); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

// fetches counts the fetches that begin at the start of the log, by partition.
func (s *site) fetches() *[2]atomic.Int64 {
	var counts [2]atomic.Int64
	s.broker.Kafka.ControlKey(int16(kmsg.Fetch), func(r kmsg.Request) (kmsg.Response, error, bool) {
		s.broker.Kafka.KeepControl()
		for _, t := range r.(*kmsg.FetchRequest).Topics {
			for _, p := range t.Partitions {
				if p.FetchOffset == 0 {
					counts[p.Partition].Add(1)
				}
			}
		}
		return nil, nil, false
	})
	return &counts
}

// hold takes every slot, so that nothing is begun until it is given back.
func (s *site) hold() (release func()) {
	slots := s.builder.slots
	var held []*timeline.Picker
	for range cap(slots) {
		held = append(held, <-slots)
	}
	return func() {
		for _, p := range held {
			slots <- p
		}
	}
}

// until waits until something holds.
func (s *site) until(what string, holds func() bool) {
	s.Helper()
	for deadline := time.After(time.Minute); !holds(); {
		select {
		case <-deadline:
			s.Fatalf("it does not come about that %s", what)
		case <-time.After(time.Millisecond):
		}
	}
}

// wanted waits until so many tasks wait to be built.
func (s *site) wanted(n int) {
	s.Helper()
	s.until(fmt.Sprintf("%d tasks wait", n), func() bool {
		s.builder.mu.Lock()
		defer s.builder.mu.Unlock()
		have := 0
		for _, p := range s.builder.waiting {
			have += len(p.builds)
		}
		return have == n
	})
}

func TestAPartitionIsReadOnceForAll(t *testing.T) {
	s := newSite(t, 500)
	release, counts := s.hold(), s.fetches()
	one, _, stopOne := s.follow(counting(t, "one", ""), 1, s.builder)
	defer stopOne()
	two, _, stopTwo := s.follow(trail.Definition(), 1, s.builder)
	defer stopTwo()
	s.wanted(4)
	release()
	s.reach(one)
	s.reach(two)
	for p := range counts {
		if got := counts[p].Load(); got != 1 {
			t.Errorf("partition %d was read %d times, want once", p, got)
		}
	}
}

// A task that cannot go on stands still, and no other that is built with it.
func TestATaskThatFailsFailsAlone(t *testing.T) {
	s := newSite(t, 500)
	release := s.hold()
	good, _, stopGood := s.follow(counting(t, "good", ""), 1, s.builder)
	defer stopGood()
	bad, _, stopBad := s.follow(counting(t, "bad", "c7"), 1, s.builder)
	defer stopBad()
	s.wanted(4)
	release()
	s.reach(good)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := bad.Wait(ctx, 1, 100); !errors.Is(err, errAway) {
		t.Errorf("got %v, want %v", err, errAway)
	}
}

func TestALogWithAHoleIsNotBuilt(t *testing.T) {
	s := newSite(t, 300)
	if err := s.broker.Kafka.DeleteRecords(topic.Transactions, 1, 10); err != nil {
		t.Fatal(err)
	}
	f, _, stop := s.follow(trail.Definition(), 1, s.builder)
	defer stop()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := f.Wait(ctx, 1, 300); !errors.Is(err, timeline.ErrHole) {
		t.Errorf("got %v, want %v", err, timeline.ErrHole)
	}
}

// Who gives a partition up has it back, whether its building waits, or runs and cannot go on.
func TestWhatIsBuiltCanBeRevoked(t *testing.T) {
	s := newSite(t, 300)
	release := s.hold()
	f, _, stop := s.follow(trail.Definition(), 1, s.builder)
	s.wanted(2)
	f.Revoke([]int32{0})
	stop()
	s.wanted(0)
	s.schemas.away.Store(true)
	s.codec = codec.New(s.schemas)
	release()
	f, rows, stop := s.follow(trail.Definition(), 2, s.builder)
	defer stop()
	s.until("something is built", func() bool { return len(s.builder.slots) < cap(s.builder.slots) })
	f.Revoke([]int32{0, 1})
	s.schemas.away.Store(false)
	if err := f.Assign([]int32{0, 1}); err != nil {
		t.Fatal(err)
	}
	s.reach(f)
	if c, err := rows.Checkpoint(0); err != nil || c.Next == 0 {
		t.Errorf("got %+v, %v", c, err)
	}
}

// A reading that is disturbed leaves the rest to following.
func TestADisturbedReadingIsFollowed(t *testing.T) {
	s := newSite(t, 500)
	var fetched atomic.Int64
	s.broker.Kafka.ControlKey(int16(kmsg.Fetch), func(r kmsg.Request) (kmsg.Response, error, bool) {
		s.broker.Kafka.KeepControl()
		req := r.(*kmsg.FetchRequest)
		if fetched.Add(1); req.SessionEpoch != -1 {
			return nil, nil, false
		}
		return rubbish(req), nil, true
	})
	f, _, stop := s.follow(trail.Definition(), 1, s.builder)
	defer stop()
	s.reach(f)
	if fetched.Load() == 0 {
		t.Error("nothing was fetched")
	}
}

// rubbish answers a fetch with bytes that are no batch.
func rubbish(req *kmsg.FetchRequest) *kmsg.FetchResponse {
	resp := req.ResponseKind().(*kmsg.FetchResponse)
	for _, t := range req.Topics {
		rt := kmsg.NewFetchResponseTopic()
		rt.Topic, rt.TopicID = t.Topic, t.TopicID
		for _, p := range t.Partitions {
			rp := kmsg.NewFetchResponseTopicPartition()
			rp.Partition, rp.LastStableOffset, rp.HighWatermark = p.Partition, 100, 100
			rp.RecordBatches = binary.BigEndian.AppendUint32(make([]byte, 8, 100), 88)[:100]
			rt.Partitions = append(rt.Partitions, rp)
		}
		resp.Topics = append(resp.Topics, rt)
	}
	return resp
}
