package transactions

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/refold/refold/streams/group"
	"github.com/refold/refold/streams/journal"
)

// lane is the way of one submission's commands to one partition.
//
// The simple story: a command goes to the journal of this process, in the order in which it came. Where that
// does not own the partition the lane begins to run. From then on commands wait in it, and it sends them on in
// rounds: to the journal, if that owns the partition by now, or to the owner's Submit, as long as that takes
// them. A command that comes back without an outcome waits again.
//
//   - A round begins only when nothing of the lane is under way, and sends what waits in the order in which it
//     came. So a command never overtakes one before it that has no outcome yet.
//   - What comes back may have been decided all the same. To send it again is safe, by its idempotency key, and
//     what was decided then was decided in this order too: the old owner had the same commands in the same one.
//   - A command waits so for Config.Patience. Then it is lost, and with it all later ones of its customer.
type lane struct {
	*submission
	partition int32

	// All is guarded by submission.mu.

	running bool
	waiting []*item // in the order in which they came, once a round begins
	flying  int     // items that the journal has
}

// lane returns the lane of a partition. The caller holds mu.
func (b *submission) lane(partition int32) *lane {
	l := b.lanes[partition]
	if l == nil {
		l = &lane{submission: b, partition: partition}
		b.lanes[partition] = l
	}
	return l
}

// take takes a command. The caller holds mu.
func (l *lane) take(ctx context.Context, it *item) error {
	if l.running {
		l.wait(ctx, it, nil)
		return nil
	}
	err := l.enqueue(ctx, it)
	if errors.Is(err, journal.ErrNotOwner) && l.forwarded {
		l.wait(ctx, it, err)
		return nil
	}
	return err
}

// enqueue gives a command to the journal.
//
// The caller holds mu, and an answer takes it: so where the journal loses an earlier command, either this
// command was queued before that, and the journal loses it too, or the loss is known here.
func (l *lane) enqueue(ctx context.Context, it *item) error {
	err := l.cfg.Journal.Enqueue(l.partition, it.Command, func(o Outcome, err error) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.flying--
		switch {
		case err == nil:
			l.committed(&o)
			l.answer(it, result{outcome: o})
		case l.broken[it.customer]:
			l.lose(it, errOvertaken)
		case errors.Is(err, journal.ErrNotOwner) && l.forwarded:
			l.wait(ctx, it, err)
		default:
			l.lose(it, err)
		}
	})
	if err == nil {
		l.flying++
	}
	return err
}

// wait keeps a command for the next round, because of an error or because it has just come. The caller holds
// mu.
func (l *lane) wait(ctx context.Context, it *item, err error) {
	l.waiting = append(l.waiting, it)
	if err != nil {
		it.failed(err)
	}
	l.changed.Broadcast()
	if !l.running && !l.closed {
		l.running = true
		l.lanesRunning.Go(func() { l.run(ctx) })
	}
}

// failed takes note of what went wrong: patience begins to run with the first, and that a command may have been
// decided is never forgotten for an error which says that it was not.
func (i *item) failed(err error) {
	if i.since.IsZero() {
		i.since = time.Now()
	}
	if err != nil && !errors.Is(i.lost, journal.ErrUnavailable) {
		i.lost = err
	}
}

// run sends rounds until nothing waits, or ctx ends.
func (l *lane) run(ctx context.Context) {
	for age := ownersAge; l.ready(ctx); age = triesEvery {
		if l.here(ctx) {
			continue
		}
		l.there(ctx, age)
		pause(ctx, triesEvery)
	}
}

// ready waits until nothing is under way. It is false, and the lane runs no more, where then nothing waits.
func (l *lane) ready(ctx context.Context) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.flying > 0 && ctx.Err() == nil {
		l.changed.Wait()
	}
	slices.SortFunc(l.waiting, func(a, b *item) int { return cmp.Compare(a.number, b.number) })
	l.drop(func(it *item) error {
		if !it.since.IsZero() && time.Since(it.since) > l.cfg.Patience {
			return it.lost
		}
		return nil
	})
	l.running = len(l.waiting) > 0 && ctx.Err() == nil
	l.changed.Broadcast()
	return l.running
}

// drop loses what waits and is lost, with all that waits behind it of the same customer. The caller holds mu.
func (l *lane) drop(lost func(*item) error) {
	kept := l.waiting[:0]
	for _, it := range l.waiting {
		err := lost(it)
		if l.broken[it.customer] {
			err = errOvertaken
		}
		if err != nil {
			l.lose(it, err)
			continue
		}
		kept = append(kept, it)
	}
	clear(l.waiting[len(kept):])
	l.waiting = kept
}

// here gives all that waits to the journal. It is false where that is not the owner, or full.
func (l *lane) here(ctx context.Context) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.waiting) > 0 {
		it := l.waiting[0]
		if err := l.enqueue(ctx, it); err != nil {
			it.failed(err)
			return false
		}
		l.waiting = l.waiting[1:]
	}
	return true
}

// there sends what waits to the owner that was named at most age ago, and what comes then, until something
// goes wrong.
func (l *lane) there(ctx context.Context, age time.Duration) {
	asked, cancel := context.WithTimeout(ctx, l.cfg.Patience)
	owner, err := l.owner(asked, l.partition, age)
	cancel()
	if err == nil {
		err = l.forward(ctx, owner)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if errors.Is(err, group.ErrNobody) {
		l.drop(func(it *item) error {
			it.failed(err)
			return it.lost
		})
	}
	for _, it := range l.waiting {
		it.failed(err)
	}
}
