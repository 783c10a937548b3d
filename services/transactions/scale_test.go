package transactions

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
	grpccodes "google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/refold/refold/schemas/api/bankv1"
	"github.com/refold/refold/streams/journal"
)

// takeover bounds how long commands of a partition wait when its owner leaves or another one comes: less than the
// 10 s of a session that times out.
const takeover = 8 * time.Second

// steady posts entries one after the other, each until it is answered, and remembers the longest wait and how
// often an entry was not answered at the first try.
type steady struct {
	workload

	longest time.Duration // guarded by workload.mu
	tries   int           // beyond the first; guarded by workload.mu
}

// during runs a steady load while something is done, and holds what was told against the log.
func (b *bank) during(do func(*steady)) *steady {
	b.t.Helper()
	const accounts = 16
	s := &steady{workload: workload{bank: b, told: make(map[string]*told)}}
	s.at = []*instance{b.join("one").instance}
	s.at[0].serving(int(b.partitions))
	for n := range accounts {
		s.at[0].open(fmt.Sprintf("c%d.main", n))
	}
	ctx, cancel := context.WithCancel(b.t.Context())
	var wg sync.WaitGroup
	for worker := range uint64(accounts) {
		wg.Go(func() { s.post(ctx, worker) })
	}
	do(s)
	cancel()
	wg.Wait()
	s.settle()
	s.check()
	b.t.Logf("%d entries, %d tries more, the longest wait %v", len(s.told), s.tries, s.longest)
	if s.longest > takeover {
		b.t.Errorf("an entry waited %v, want at most %v", s.longest, takeover)
	}
	return s
}

func (s *steady) post(ctx context.Context, worker uint64) {
	rng := rand.New(rand.NewPCG(worker, 0))
	for n := 0; ctx.Err() == nil; n++ {
		key, begun, tries := fmt.Sprintf("%d-%d", worker, n), time.Now(), 0
		r := deposit(fmt.Sprintf("c%d.main", worker), key, 1)
		for !s.ask(context.WithoutCancel(ctx), s.instance(rng), key, r) && time.Since(begun) < within {
			tries++
		}
		s.mu.Lock()
		s.longest, s.tries = max(s.longest, time.Since(begun)), s.tries+tries
		s.mu.Unlock()
	}
}

// set says which instances are asked from now on.
func (s *steady) set(at ...*instance) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.at = at
}

// more waits until n more keys were asked for.
func (s *steady) more(i *instance, n int) {
	count := func() int {
		s.mu.Lock()
		defer s.mu.Unlock()
		return len(s.told)
	}
	from := count()
	i.until(func() bool { return count() >= from+n })
}

// owning waits until the instance serves n partitions and no other, whatever it is doing for them.
func (i *instance) owning(n int) {
	i.bank.t.Helper()
	i.until(func() bool {
		all := i.cfg.Journal.Status()
		busy := slices.ContainsFunc(all, func(s journal.Status) bool {
			return s.State != journal.Serving && s.State != journal.Committing
		})
		return len(all) == n && !busy
	})
}

// KW-20: one instance, then three, then two, under load at all of them.
func TestKW20ScaleUnderLoad(t *testing.T) {
	b := newBank(t, 6)
	b.during(func(s *steady) {
		one := s.at[0]
		two, three := b.join("two"), b.join("three")
		s.set(one, two.instance, three.instance)
		for _, i := range s.at {
			i.owning(2)
		}
		s.more(one, 200)
		s.set(one, two.instance)
		three.leave()
		two.until(func() bool { return len(one.cfg.Journal.Status())+len(two.cfg.Journal.Status()) == 6 })
		s.more(one, 200)
	})
}

// KW-21: every instance is stopped and started again, under load at all of them; what comes to one that stops is
// sent on.
func TestKW21RollingRestart(t *testing.T) {
	b := newBank(t, 4)
	s := b.during(func(s *steady) {
		one := s.at[0]
		two := b.join("two")
		s.set(one, two.instance)
		two.owning(2)
		two.leave()
		two = b.join("two")
		s.set(one, two.instance)
		two.owning(2)
		s.more(one, 100)
		one.stop()
		again := b.join("one")
		s.set(again.instance, two.instance)
		again.owning(2)
		s.more(two.instance, 100)
	})
	if s.tries > 0 {
		t.Errorf("%d entries were not answered at once", s.tries)
	}
}

// way is a process's way to the brokers.
type way struct {
	mu    sync.Mutex
	cut   bool       // guarded by mu
	conns []net.Conn // guarded by mu
}

func (w *way) dial(ctx context.Context, network, address string) (net.Conn, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.cut {
		return nil, errors.New("cut off")
	}
	c, err := new(net.Dialer).DialContext(ctx, network, address)
	if err == nil {
		w.conns = append(w.conns, c)
	}
	return c, err
}

func (w *way) set(cut bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cut = cut
	for _, c := range w.conns {
		c.Close()
	}
	w.conns = nil
}

// KW-22: the owner of a partition is cut off from the brokers, and clients still reach it. It says what it knows
// to be recorded, with its position, and nothing else; others take its partition, and it comes back.
func TestKW22OwnerCutOffFromTheBrokers(t *testing.T) {
	w := &way{}
	b, one, two, ofOne, _ := pair(t, func(c *journal.Config[*Command, Outcome]) {
		c.Cluster.Dial, c.Patience = w.dial, time.Second
	})
	one.open(ofOne)
	posted := one.posted(deposit(ofOne, "k", 5))
	customer, _ := customerOf(ofOne)
	find := func(key string) (*bankv1.FindByKeyResponse, error) {
		ctx, cancel := context.WithTimeout(t.Context(), within)
		defer cancel()
		return one.FindByKey(ctx, &bankv1.FindByKeyRequest{CustomerId: customer, IdempotencyKey: key})
	}
	w.set(true)
	found, err := find("k")
	if err != nil || found.GetPosted().GetRecord().GetPosition() != posted.GetRecord().GetPosition() {
		t.Errorf("got %v, %v, want %v", found, err, posted)
	}
	if found, err = find("later"); !retryable(err) {
		t.Errorf("got %v, %v, want that it is not known", found, err)
	}
	if got, err := one.PostEntry(t.Context(), deposit(ofOne, "later", 1)); !retryable(err) {
		t.Errorf("got %v, %v, want that it is unavailable", got, err)
	}
	b.evict("one")
	later := two.posted(deposit(ofOne, "later", 1))
	if found, err = find("later"); !retryable(err) && (err != nil || !same(found.GetPosted(), later)) {
		t.Errorf("got %v, %v, want %v, or that it is not known", found, err, later)
	}
	w.set(false)
	if again := one.posted(deposit(ofOne, "later", 1)); !same(again, later) || !again.GetReplayed() {
		t.Errorf("got %v, want a replay of %v", again, later)
	}
	if found, err = find("never"); status.Code(err) != grpccodes.NotFound && reasonOf(t, err) != ReasonKeyNotFound {
		t.Errorf("got %v, %v, want %s", found, err, ReasonKeyNotFound)
	}
}

// evict does what the group does when a member's session has timed out.
func (b *bank) evict(name string) {
	b.t.Helper()
	client, err := b.cluster.Client()
	if err != nil {
		b.t.Fatal(err)
	}
	defer client.Close()
	r := kmsg.NewPtrLeaveGroupRequest()
	r.Group = "refold-journal"
	left := kmsg.NewLeaveGroupRequestMember()
	left.InstanceID = &name
	r.Members = append(r.Members, left)
	if _, err := r.RequestWith(b.t.Context(), client); err != nil {
		b.t.Fatal(err)
	}
}
