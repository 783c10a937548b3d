package fake_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/refold/refold/streams/fake"
)

// network is a broker that is reached by links alone.
type network struct {
	t testing.TB
	kfake.VirtualNetwork
	broker *kfake.Cluster
}

func newNetwork(t testing.TB) *network {
	t.Helper()
	n := &network{t: t}
	var err error
	n.broker, err = kfake.NewCluster(kfake.NumBrokers(1), kfake.Ports(9092), kfake.SeedTopics(1, "t"), kfake.ListenFn(n.Listen))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.broker.Close)
	return n
}

// client returns a client at the near end of a link, which has asked the broker something.
func (n *network) client(l *fake.Link, opts ...kgo.Opt) *kgo.Client {
	n.t.Helper()
	opts = append(opts, kgo.SeedBrokers(n.broker.ListenAddrs()...), kgo.Dialer(l.Dial), kgo.RequestRetries(0))
	c, err := kgo.NewClient(opts...)
	if err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(c.Close)
	if err := c.Ping(n.t.Context()); err != nil {
		n.t.Fatal(err)
	}
	return c
}

// create asks for a topic.
func create(ctx context.Context, c *kgo.Client, topic string) error {
	_, err := kadm.NewClient(c).CreateTopic(ctx, 1, 1, nil, topic)
	return err
}

// What is sent on a frozen link arrives when it was thawed as often as it was frozen.
func TestFrozenLinkPassesNothing(t *testing.T) {
	n := newNetwork(t)
	frozen := fake.NewLink(&n.VirtualNetwork)
	var thawed, early atomic.Bool
	frozen.Fate = func(key kmsg.Key) fake.Fate {
		if key == kmsg.CreateTopics && !thawed.Load() {
			early.Store(true)
		}
		return fake.Arrives
	}
	c := n.client(frozen)
	frozen.Freeze()
	frozen.Freeze()
	created := make(chan error, 1)
	go func() { created <- create(t.Context(), c, "late") }()
	frozen.Thaw()
	for range 20 { // time for what must not happen
		n.client(fake.NewLink(&n.VirtualNetwork))
	}
	thawed.Store(true)
	frozen.Thaw()
	if err := <-created; err != nil || early.Load() {
		t.Errorf("got %v, passed on while it was frozen: %t", err, early.Load())
	}
}

// Whoever is cut off learns nothing, and can connect again; a link that was killed is gone, for its broker, too.
func TestCutAndKilledLinks(t *testing.T) {
	n := newNetwork(t)
	l := fake.NewLink(&n.VirtualNetwork)
	c := n.client(l)
	l.Freeze()
	pinged := make(chan struct{})
	go func() {
		defer close(pinged)
		_ = c.Ping(t.Context()) // it was under way, or not yet
	}()
	l.Cut()
	l.Thaw()
	<-pinged
	if err := c.Ping(t.Context()); err != nil {
		t.Errorf("after the cut: got %v", err)
	}
	l.Kill()
	if err := c.Ping(t.Context()); err == nil {
		t.Error("a link that was killed passes something on")
	}
	c.Close()
	l.Wait()
}

// A request that is lost is not carried out, and one whose reply is lost is; either fails.
func TestLostRequestsAndReplies(t *testing.T) {
	n := newNetwork(t)
	for topic, fate := range map[string]fake.Fate{"request": fake.RequestLost, "reply": fake.ReplyLost} {
		l := fake.NewLink(&n.VirtualNetwork)
		l.Fate = func(key kmsg.Key) fake.Fate {
			if key == kmsg.CreateTopics {
				return fate
			}
			return fake.Arrives
		}
		err := create(t.Context(), n.client(l), topic)
		if done, want := n.broker.TopicInfo(topic) != nil, fate == fake.ReplyLost; err == nil || done != want {
			t.Errorf("a lost %s: got %v, carried out: %t, want an error and %t", topic, err, done, want)
		}
	}
}

// A commit whose reply lies fails and is done.
func TestLyingReply(t *testing.T) {
	n := newNetwork(t)
	l := fake.NewLink(&n.VirtualNetwork)
	l.Fate = func(kmsg.Key) fake.Fate { return fake.ReplyLies } // of an EndTxn only
	c := n.client(l, kgo.TransactionalID("x"))
	if err := c.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	if err := c.ProduceSync(t.Context(), &kgo.Record{Topic: "t", Value: []byte("v")}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	if err := c.EndTransaction(t.Context(), kgo.TryCommit); !errors.Is(err, kerr.UnknownServerError) {
		t.Errorf("got %v, want %v", err, kerr.UnknownServerError)
	}
	if info := n.broker.PartitionInfo("t", 0); info.LastStableOffset != 2 {
		t.Errorf("the partition is stable up to %d, want 2", info.LastStableOffset)
	}
}
