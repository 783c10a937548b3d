package engine

import (
	"bytes"
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/refold/refold/projections/projection"
	"github.com/refold/refold/projections/store"
	"github.com/refold/refold/projections/store/pebble"
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

// SchemaByID implements codec.Registry.
func (r *registry) SchemaByID(ctx context.Context, id int) (string, error) {
	if r.away.Load() {
		return "", errAway
	}
	return r.Local.SchemaByID(ctx, id)
}

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

// fetches counts the fetches that begin at the start of the log, by partition.
func (s *site) fetches() *[2]atomic.Int64 {
	var counts [2]atomic.Int64
	s.broker.Faults().ControlKey(int16(kmsg.Fetch), func(r kmsg.Request) (kmsg.Response, error, bool) {
		s.broker.Faults().KeepControl()
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
