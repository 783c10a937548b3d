package engine_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/refold/refold/projections/acts"
	"github.com/refold/refold/projections/engine"
	"github.com/refold/refold/projections/projection"
	"github.com/refold/refold/projections/store"
	"github.com/refold/refold/streams/cluster"
	"github.com/refold/refold/streams/feed"
	"github.com/refold/refold/streams/topic"
)

// mortal is a process that can be killed between any two of its steps: nobody hears of it any more, and it writes
// nothing.
type mortal struct {
	*engine.Engine
	acts   *acts.Log
	stores store.Stores
	dead   chan struct{}
	kill   func()
	end    func() // ends what is left of it
	// saving is called before rows are saved, and tells what then becomes of them.
	saving func() fate

	mu     sync.Mutex
	wires  []net.Conn    // guarded by mu
	moving chan struct{} // guarded by mu; closed while the network is not frozen
}

// fate is what becomes of a save.
type fate int

const (
	whole      fate = iota // it is written, and the process goes on
	none                   // nothing is written, and the process is dead
	rowsOnly               // the rows are, and the checkpoint is not
	lastOfThat             // it is written, and the process is dead
)

var errKilled = errors.New("the process was killed")

func (m *mortal) dial(ctx context.Context, network, address string) (net.Conn, error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	select {
	case <-m.dead:
		_ = c.Close()
		return nil, errKilled
	default:
		m.wires = append(m.wires, c)
		return &wire{c, m}, nil
	}
}

// wire is a connection that can stand still: what is sent meanwhile arrives later.
type wire struct {
	net.Conn
	of *mortal
}

func (w *wire) Write(b []byte) (int, error) {
	w.of.mu.Lock()
	moving := w.of.moving
	w.of.mu.Unlock()
	<-moving
	return w.Conn.Write(b)
}

// freeze has the network of the process stand still, until the returned function is called.
func (m *mortal) freeze() (thaw func()) {
	moving := make(chan struct{})
	m.mu.Lock()
	defer m.mu.Unlock()
	m.moving = moving
	return func() { close(moving) }
}

// mortal runs an engine that can be killed, as an instance that has its partitions back at once, or as one that is
// nobody in particular where the name is "".
func (b *bank) mortal(instance string, stores store.Stores, saving func() fate, catalog ...*projection.Definition) *mortal {
	b.t.Helper()
	m := &mortal{stores: stores, dead: make(chan struct{}), saving: saving, moving: make(chan struct{})}
	close(m.moving)
	m.kill = sync.OnceFunc(func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		close(m.dead)
		for _, c := range m.wires {
			_ = c.Close()
		}
	})
	b.t.Cleanup(m.kill) // of a test that fails no member stays in the group
	c := cluster.Cluster{Seeds: b.broker.Seeds, ClientID: "mortal", Dial: m.dial}
	f, err := feed.Open(c, topic.Acts)
	if err != nil {
		b.t.Fatal(err)
	}
	if m.acts, err = acts.NewLog(b.t.Context(), f, b.codec); err != nil {
		b.t.Fatal(err)
	}
	m.Engine = engine.New(engine.Config{
		Cluster: c, Codec: b.codec, Stores: m, Acts: m.acts, Catalog: catalog, Instance: instance,
		Logger: slog.New(slog.DiscardHandler), Retention: b.retention,
	})
	ctx, cancel := context.WithCancel(context.Background())
	var parts sync.WaitGroup // what a dead process says is nothing
	parts.Go(func() { _ = m.Run(ctx) })
	parts.Go(func() { _ = m.acts.Run(ctx) })
	m.end = func() {
		cancel()
		parts.Wait()
		f.Close()
	}
	return m
}

// Open implements store.Stores.
func (m *mortal) Open(g store.Generation) (store.Store, error) {
	s, err := m.stores.Open(g)
	return &mortalStore{s, m}, err
}

// Drop implements store.Stores.
func (m *mortal) Drop(g store.Generation) error {
	select {
	case <-m.dead:
		return errKilled
	default:
		return m.stores.Drop(g)
	}
}

type mortalStore struct {
	store.Store
	of *mortal
}

func (s *mortalStore) Save(task int32, c store.Checkpoint, fill func(store.Writer) error) error {
	select {
	case <-s.of.dead:
		return errKilled
	default:
	}
	what := s.of.saving()
	if what == none {
		s.of.kill()
		return errKilled
	}
	if what == rowsOnly {
		before, err := s.Store.Checkpoint(task)
		if err != nil {
			return err
		}
		c = before
	}
	err := s.Store.Save(task, c, fill)
	if what != whole {
		s.of.kill()
		return errKilled
	}
	return err
}

// atEnd has a process killed by its nth end of a transaction: before the broker does what it asks.
func (b *bank) atEnd(m *mortal, id string, n int64) {
	var seen atomic.Int64
	b.broker.Faults().ControlKey(int16(kmsg.EndTxn), func(req kmsg.Request) (kmsg.Response, error, bool) {
		end, ok := req.(*kmsg.EndTxnRequest)
		select {
		case <-m.dead:
			b.broker.Faults().DropControl()
			return nil, nil, false
		default:
		}
		if !ok || end.TransactionalID != id || seen.Add(1) != n {
			b.broker.Faults().KeepControl()
			return nil, nil, false
		}
		b.broker.Faults().DropControl()
		go m.kill()
		return nil, errKilled, true
	})
}
