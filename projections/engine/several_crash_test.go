package engine_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/refold/refold/projections/engine"
	"github.com/refold/refold/projections/projection"
	"github.com/refold/refold/projections/store/memory"
	"github.com/refold/refold/schemas/event"
	"github.com/refold/refold/streams/topic"
)

// Wherever a process is killed - before a round is logged, after it, before its effects are published, before its rows
// are saved, before its checkpoint is - the next one goes on in the same order, and tells everybody once. What comes
// out in the end is what a replay makes of it.
func TestAProcessIsKilledAtEveryStep(t *testing.T) {
	b := newSeveral(t)
	b.broker.Faults()
	stores := memory.New()
	var left sync.WaitGroup
	defer left.Wait()
	const id = "refold-effects-" + mixed + "-test"
	for n := int64(1); n <= 4; n++ {
		for step, kill := range map[string]fate{
			"at the end of a transaction": whole, "before rows are saved": none, "before a checkpoint is": rowsOnly, "after a save": lastOfThat,
		} {
			var saves atomic.Int64
			saving := func() fate {
				if kill != whole && saves.Add(1) == n {
					return kill
				}
				return whole
			}
			m := b.mortal("test", stores, saving, mixedDefinition(t, 1))
			if kill == whole {
				b.atEnd(m, id, n)
			}
			until(t, fmt.Sprint("it is killed ", step), func() bool {
				select {
				case <-m.dead:
					return true
				default:
				}
				live, _, err := m.Statuses(mixed)
				if err == nil && live == 0 {
					return false // what is written before the projection is made is no news
				}
				b.write(b.rng.IntN(2), 1+b.rng.IntN(3))
				return false
			})
			left.Go(m.end)
		}
	}
	m := b.mortal("test", stores, func() fate { return whole }, mixedDefinition(t, 1))
	want := b.folded(stores, 1)
	b.all()
	b.replayed(m.Engine)
	if got := b.folded(stores, 2); !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	m.end()
}

func alwaysWhole() fate { return whole }

// A process that stands still for so long that its partitions are given to another comes back in the middle of a
// round: it cannot log it any more, and what it has folded is folded anew in the order of the other.
func TestALateRoundIsRefused(t *testing.T) {
	b := newSeveral(t)
	b.broker.Faults() // a real one may give the late process a partition back before the other has folded it
	late := b.mortal("", memory.New(), alwaysWhole, mixedDefinition(t, 1))
	until(t, "the projection is made", func() bool {
		live, _, err := late.Statuses(mixed)
		return err == nil && live > 0
	})
	b.some()
	b.all()
	for range 3 { // at once, in the middle of something
		b.some()
	}
	thaw := late.freeze()
	stores := memory.New()
	_, stop := b.runs("", stores, mixedDefinition(t, 1))
	b.some()
	want := b.folded(stores, 1)
	thaw()
	b.some()
	b.folded(stores, 1)
	b.all()
	stop()
	late.kill()
	late.end()
	stores = memory.New()
	_, stop = b.runs("", stores, mixedDefinition(t, 1))
	defer stop()
	got := b.folded(stores, 1)
	for p := range got {
		if !strings.HasPrefix(got[p], want[p]) {
			t.Errorf("got\n%s\nwant it to begin with\n%s", got[p], want[p])
		}
	}
	b.all()
}

// While events go on, generations are promoted and rolled back, and with each another one decides on the rounds; and
// the broker refuses now and then what it is asked.
func TestAnotherGenerationDecides(t *testing.T) {
	b := newSeveral(t)
	faulty := b.broker.Faults()
	stores := memory.New()
	e, stop := b.runs("test", stores, mixedDefinition(t, 1))
	defer stop()
	faults := faulty.Fault(
		kfake.Fault{Keys: []kmsg.Key{kmsg.EndTxn}, TxnID: "refold-effects-" + mixed + "-test", Err: kerr.RequestTimedOut, Count: 5, When: b.sometimes},
		kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: topic.Rounds, Err: kerr.InvalidTxnState, Count: 5, When: b.sometimes})
	defer faults.Remove()
	flow, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-flow:
				return
			case <-time.After(2 * time.Millisecond):
				if _, all, err := e.Statuses(mixed); err == nil && !slices.ContainsFunc(all, func(s engine.Status) bool { return s.Lag > 200 }) {
					b.write(b.rng.IntN(2), 1+b.rng.IntN(3))
				}
			}
		}
	}()
	var op string
	for range 3 {
		var err error
		if op, err = e.Start(t.Context(), mixed, "tester", ""); err != nil {
			t.Fatal(err)
		}
		until(t, op+" is verified", func() bool { return b.status(e, op).State == engine.Verified })
		if s := b.status(e, op); s.Verified.Differences > 0 {
			t.Errorf("got %d differences: %v", s.Verified.Differences, s.Differences)
		}
		for _, act := range []func() error{
			func() error { return e.Promote(t.Context(), op, "tester", "", false) },
			func() error { return e.Rollback(t.Context(), op, "tester", "") },
			func() error { return e.Promote(t.Context(), op, "tester", "again", true) },
		} {
			if err := act(); err != nil {
				t.Error(err)
			}
		}
	}
	close(flow)
	<-stopped
	b.all()
	b.folded(stores, 4)
	b.replayed(e)
	if got, want := b.folded(stores, 5), b.folded(stores, 4); !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// sometimes says yes to every third request.
func (b *several) sometimes(kmsg.Request) bool { return b.asked.Add(1)%3 == 0 }

// oneSource is the projection of before, which reads the first of the two topics only.
func oneSource(t *testing.T, version int64) *projection.Definition {
	t.Helper()
	type posted struct {
		CustomerID string `avro:"customer_id"`
		EventID    string `avro:"event_id"`
	}
	d, err := projection.Define(mixed, version, projection.Emit(topic.Transactions, event.NameEntryPosted,
		func(_ *posted, k *projection.Keys) { k.Add("@all", "") },
		func(_ projection.Key, r *trace, e *posted, _ projection.Meta, out *projection.Effects) error {
			r.Events += "e" + e.EventID + " "
			out.Add(topic.Notifications, &event.NotificationRequested{
				Effect: event.Effect{CustomerID: e.CustomerID}, Kind: event.NotifyLowBalance, AccountID: "e" + e.EventID,
			})
			return nil
		}).To(topic.Notifications, event.NameNotificationRequested))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// A version that reads a second source beside the first takes over from one that does not: nobody is told twice of an
// event of the first, nor of what stood in the second before.
func TestAVersionReadsAnotherSource(t *testing.T) {
	b := newSeveral(t)
	stores := memory.New()
	_, stop := b.runs("test", stores, oneSource(t, 1))
	for range 5 {
		b.some()
	}
	stop()
	e, stop := b.runs("test", stores, oneSource(t, 1), mixedDefinition(t, 2))
	defer stop()
	b.some()
	op, err := e.Start(t.Context(), mixed, "tester", "")
	if err != nil {
		t.Fatal(err)
	}
	want := b.folded(stores, 2)
	b.news = b.written[1]
	b.all()
	until(t, "it is said why they are not compared", func() bool { return b.status(e, op).Incomparable != nil })
	if err := e.Promote(t.Context(), op, "tester", "it reads more", false); err == nil {
		t.Error("it was promoted without a comparison")
	}
	if err := e.Promote(t.Context(), op, "tester", "it reads more", true); err != nil {
		t.Fatal(err)
	}
	for range 5 {
		b.some()
	}
	got := b.folded(stores, 2)
	for p := range got {
		if !strings.HasPrefix(got[p], want[p]) {
			t.Errorf("got\n%s\nwant it to begin with\n%s", got[p], want[p])
		}
	}
	b.all()
}
