package engine_test

import (
	"context"
	"errors"
	"testing"

	"github.com/refold/refold/projections/engine"
	"github.com/refold/refold/projections/projection"
	"github.com/refold/refold/projections/spending"
	"github.com/refold/refold/projections/store/memory"
	"github.com/refold/refold/projections/trail"
	"github.com/refold/refold/streams/topic"
)

// parkedRow returns the parked row of a customer in the live generation.
func (b *bank) parkedRow(e *engine.Engine, customer string) engine.ParkedRow {
	b.t.Helper()
	row, err := e.FindParked(spending.Name, customer, func(k projection.Key) string { return k.Partition })
	b.must(err)
	return row
}

// With a mended fold a parked row goes on: its events that waited are folded into it, and told once, with or without a
// trail to find them by. Until then it stays parked, with the reason of the last try.
func TestRetryFoldsWhatWaited(t *testing.T) {
	for name, beside := range map[string][]*projection.Definition{"reading the partition": nil, "by the trail": {trail.Definition()}} {
		t.Run(name, func(t *testing.T) {
			b, poison, stores := newBank(t), new(bad), newShared(t)
			poison.set(13, 33)
			e, stop := b.fragile(stores, append(beside, fragile(t, 1, poison))...)
			b.post(50)
			same(t, "live", b.spent(e, 1), purchasesOf(b.n, map[int]int{3: 13}))
			left, err := e.RetryParked(t.Context(), spending.Name, b.parkedRow(e, "c3"), "tester", "to see")
			if err != nil || len(left) != 1 || left[0].Reason != errBad.Error() {
				t.Errorf("the same fold: got %v, %v", left, err)
			}
			poison.set(33) // it is mended for the one
			left, err = e.RetryParked(t.Context(), spending.Name, b.parkedRow(e, "c3"), "tester", "it is half mended")
			if err != nil || len(left) != 1 {
				t.Errorf("half mended: got %v, %v", left, err)
			}
			same(t, "half mended", b.spent(e, 1), purchasesOf(b.n, map[int]int{3: 33}))
			b.toldBut(map[int]int{3: 33})
			stop()

			poison.set()
			e, stop = b.fragile(stores, append(beside, fragile(t, 1, poison))...)
			defer stop()
			b.post(20)
			same(t, "after a restart", b.spent(e, 1), purchasesOf(b.n, map[int]int{3: 33}))
			left, err = e.RetryParked(t.Context(), spending.Name, b.parkedRow(e, "c3"), "tester", "it is mended")
			if err != nil || len(left) != 0 {
				t.Errorf("mended: got %v, %v", left, err)
			}
			b.post(20)
			same(t, "mended", b.spent(e, 1), purchasesOf(b.n, nil))
			b.toldBut(nil)
		})
	}
}

// A discarded event is left out of its row by the generation that was parked, by one that had folded it, and by every
// replay; it stays in the other rows.
func TestADiscardIsFollowedByAll(t *testing.T) {
	b, poison, stores := newBank(t), new(bad), newShared(t)
	poison.set(13)
	catalog := []*projection.Definition{fragile(t, 1, poison), fragile(t, 2, new(bad))}
	e, stop := b.fragile(stores, catalog[0])
	b.post(50)
	b.spent(e, 1)
	stop()
	e, stop = b.run(stores, catalog...)
	b.spent(e, 1)
	op, err := e.Start(t.Context(), spending.Name, "tester", "the fold is mended")
	b.must(err)
	until(t, "the replay is verified", func() bool { return b.status(e, op).State == engine.Verified })
	row := b.parkedRow(e, "c3")
	if _, err := e.DiscardParked(t.Context(), spending.Name, row, "tester", ""); !refused(err) {
		t.Errorf("without a reason: got %v", err)
	}
	left, err := e.DiscardParked(t.Context(), spending.Name, row, "tester", "it never was")
	if err != nil || len(left) != 0 {
		t.Errorf("got %v, %v", left, err)
	}
	b.post(20)
	want := purchasesOf(b.n, nil)
	want["c3"] = "218 in 6" // 3, 23, 33, 43, 53 and 63
	same(t, "live", b.spent(e, 1), want)
	until(t, "the other generation follows", func() bool { return b.spent(e, 2)["c3"] == want["c3"] })
	same(t, "the other generation", b.spent(e, 2), want)
	if got := b.bankWide(e); got != sumTo(b.n) {
		t.Errorf("other rows of the event: got %d, want %d", got, sumTo(b.n))
	}
	stop()
	e, stop = b.run(stores, catalog...)
	defer stop()
	b.post(10)
	want = purchasesOf(b.n, nil)
	want["c3"] = "291 in 7" // and 73
	same(t, "after a start", b.spent(e, 1), want)
	op, err = e.Start(t.Context(), spending.Name, "tester", "to see")
	b.must(err)
	until(t, "the replay is verified", func() bool { return b.status(e, op).State == engine.Verified })
	same(t, "a replay", b.spent(e, 3), want)
	if s := b.status(e, op); s.Verified.Differences != 0 {
		t.Errorf("the replay differs: %v", s.Differences)
	}
	told := b.told()
	b.once(told)
	if told["c3 of 13"] != 0 || told["c3 of 23"] != 1 {
		t.Errorf("got %d of what was discarded told, %d of what waited", told["c3 of 13"], told["c3 of 23"])
	}
}

// What ends between the release of what waited and the save of the row begins again, and tells nobody twice.
func TestACrashWhileUnparking(t *testing.T) {
	b, poison, stores := newBank(t), new(bad), &full{Stores: memory.New()}
	poison.set(13)
	e, stop := b.fragile(stores, fragile(t, 1, poison))
	defer stop()
	b.post(50)
	b.spent(e, 1)
	b.toldBut(map[int]int{3: 13})
	row := b.parkedRow(e, "c3")
	poison.set()
	stores.isFull.Store(true)
	retried := make(chan error, 1)
	go func() {
		left, err := e.RetryParked(t.Context(), spending.Name, row, "tester", "it is mended")
		if err == nil && len(left) > 0 {
			err = errBad
		}
		retried <- err
	}()
	live := engine.Operation(spending.Name, 1)
	until(t, "the row cannot be saved", func() bool { return b.status(e, live).State == engine.Stuck })
	b.toldBut(nil)
	stores.isFull.Store(false)
	b.must(e.Retry(t.Context(), live, "tester", "there is room"))
	b.must(<-retried)
	same(t, "after it", b.spent(e, 1), purchasesOf(b.n, nil))
	b.post(20)
	b.toldBut(nil)
}

// A parked row is parked for whoever has its task next, who follows what was decided meanwhile.
func TestAParkedRowMovesWithItsTask(t *testing.T) {
	b, poison, stores := newBank(t), new(bad), newShared(t)
	poison.set(13)
	d := fragile(t, 1, poison)
	one, stopOne := b.runAs("", stores, d)
	b.post(30)
	b.spent(one, 1)
	row := b.parkedRow(one, "c3")
	other, stopOther := b.runAs("", stores, d)
	defer stopOther()
	stopOne()
	b.post(20)
	same(t, "another instance", b.spent(other, 1), purchasesOf(b.n, map[int]int{3: 13}))
	if _, err := other.DiscardParked(t.Context(), spending.Name, row, "tester", "it never was"); err != nil {
		t.Fatal(err)
	}
	want := purchasesOf(b.n, nil)
	want["c3"] = "102 in 4" // 3, 23, 33 and 43
	same(t, "after a discard", b.spent(other, 1), want)
}

// What a parked row never told is released by its ids once a generation is live that goes on, and a retry of the row in
// the old one tells nothing twice. What comes after the promotion the new one tells.
func TestPromotionBeyondAParkedRow(t *testing.T) {
	b, poison, stores := newBank(t), new(bad), memory.New()
	poison.set(13)
	catalog := []*projection.Definition{fragile(t, 1, poison), fragile(t, 2, new(bad))}
	e, stop := b.fragile(stores, catalog[0])
	b.post(40)
	b.spent(e, 1)
	stop()
	e, stop = b.run(stores, catalog...)
	defer stop()
	b.spent(e, 1)
	op, err := e.Start(t.Context(), spending.Name, "tester", "the fold is mended")
	b.must(err)
	until(t, "the replay is verified", func() bool { return b.status(e, op).State == engine.Verified })
	b.must(e.Promote(t.Context(), op, "tester", "one row goes on", true))
	b.post(20)
	same(t, "the new generation", b.spent(e, 2), purchasesOf(b.n, nil))
	got, err := e.CompareEffects(t.Context(), spending.Name, 1, 2, 100)
	b.must(err)
	var ids []string
	for _, d := range got.Differences {
		if d.Less != nil || d.More == nil || d.More.CustomerID != "c3" {
			t.Fatalf("got %+v", d)
		}
		ids = append(ids, d.More.EffectID) // of what the new one tells by itself, nothing is published again
	}
	published, err := e.ReleaseEffects(t.Context(), spending.Name, ids, "tester", "they were missed")
	if err != nil || len(published) != 3 { // of 13, 23 and 33
		t.Errorf("got %v, %v", published, err)
	}
	b.toldBut(nil)
	poison.set()
	left, err := e.RetryParked(t.Context(), spending.Name, b.parkedRow(e, "c3"), "tester", "to go back to it")
	if err != nil || len(left) != 0 {
		t.Errorf("got %v, %v", left, err)
	}
	same(t, "the old generation", b.spent(e, 1), purchasesOf(b.n, nil))
	b.toldBut(nil)
}

// A replay that begins with a snapshot takes over what stands still, and what was discarded.
func TestASnapshotKnowsItsParkedRows(t *testing.T) {
	b, poison, stores := newBank(t), new(bad), newShared(t)
	b.snapshots = t.TempDir()
	poison.set(13, 24)
	e, stop := b.fragile(stores, fragile(t, 1, poison))
	defer stop()
	b.post(40)
	b.spent(e, 1)
	_, err := e.CreateSnapshot(t.Context(), spending.Name, "tester", "")
	b.must(err)
	if _, err := e.DiscardParked(t.Context(), spending.Name, b.parkedRow(e, "c4"), "tester", "it never was"); err != nil {
		t.Fatal(err)
	}
	b.post(20)
	want := purchasesOf(b.n, map[int]int{3: 13})
	want["c4"] = "150 in 5" // 4, 14, 34, 44 and 54
	same(t, "live", b.spent(e, 1), want)
	op, err := e.Begin(t.Context(), engine.Order{Wish: engine.Wish{Projection: spending.Name, From: "snapshot"}})
	b.must(err)
	until(t, "it is verified", func() bool { return b.status(e, op).State == engine.Verified })
	same(t, "a replay from the snapshot", b.spent(e, 2), want)
	_, err = e.CreateSnapshot(t.Context(), spending.Name, "tester", "it is discarded by now")
	b.must(err)
	op, err = e.Begin(t.Context(), engine.Order{Wish: engine.Wish{Projection: spending.Name, From: "snapshot"}})
	b.must(err)
	until(t, "it is verified", func() bool { return b.status(e, op).State == engine.Verified })
	same(t, "a replay from the second snapshot", b.spent(e, 3), want)
	if left := stores.left(3, "c4\x00"); left != 1 {
		t.Errorf("the row is written as one without %d of its events", left)
	}
}

// A row that is parked stays so, whatever ends before the rows of others are saved that were told of events beyond: the
// fold may be mended when all begins again, and nobody would tell what waited.
func TestAParkingIsWrittenBeforeOthersGoOn(t *testing.T) {
	b, poison, stores := newBank(t), new(bad), &full{Stores: memory.New()}
	poison.set(13)
	d := fragile(t, 1, poison)
	e, stop := b.fragile(stores, d)
	b.post(12)
	b.spent(e, 1)
	stores.isFull.Store(true)
	b.post(38)
	b.toldBut(map[int]int{3: 13})
	stop()
	poison.set()
	stores.isFull.Store(false)
	e, stop = b.fragile(stores, d)
	defer stop()
	same(t, "after a restart", b.spent(e, 1), purchasesOf(b.n, map[int]int{3: 13}))
	left, err := e.RetryParked(t.Context(), spending.Name, b.parkedRow(e, "c3"), "tester", "it is mended")
	if err != nil || len(left) != 0 {
		t.Errorf("got %v, %v", left, err)
	}
	same(t, "mended", b.spent(e, 1), purchasesOf(b.n, nil))
	b.toldBut(nil)
}

// A row goes on only when its task has come again to where others were told, or nobody would tell what it waited for
// up to there.
func TestARowGoesOnWhereItsTaskHasBeen(t *testing.T) {
	b, poison, stores := newBank(t), new(bad), &full{Stores: memory.New()}
	poison.set(13)
	d := fragile(t, 1, poison)
	e, stop := b.fragile(stores, d)
	b.post(20)
	b.spent(e, 1)
	row := b.parkedRow(e, "c3")
	stores.isFull.Store(true)
	b.post(30)
	live := engine.Operation(spending.Name, 1)
	until(t, "it cannot save", func() bool { return b.status(e, live).State == engine.Stuck })
	b.toldBut(map[int]int{3: 13})
	ctx, cancel := context.WithCancel(t.Context())
	decided := b.broker.Ends(topic.Acts)[0] + 1
	retried := make(chan error)
	go func() {
		_, err := e.RetryParked(ctx, spending.Name, row, "tester", "it will be mended")
		retried <- err
	}()
	until(t, "it is decided", func() bool { return b.broker.Ends(topic.Acts)[0] == decided })
	cancel()
	if err := <-retried; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
	stop()
	poison.set()
	stores.isFull.Store(false)
	e, stop = b.fragile(stores, d)
	defer stop()
	until(t, "the row goes on", func() bool { return b.spent(e, 1)["c3"] == purchasesOf(b.n, nil)["c3"] })
	b.toldBut(nil)
}
