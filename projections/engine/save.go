package engine

import (
	"context"
	"time"

	"github.com/refold/refold/projections/store"
)

// save releases the effects, then writes the changed rows and the checkpoint.
func (t *task) save(ctx context.Context) error {
	c := t.checkpoint(t.followed)
	if err := t.emission.release(ctx, c); err != nil {
		return err
	}
	t.mu.Lock()
	same := t.saved.Next == c.Next && t.saved.Acts == c.Acts
	t.mu.Unlock()
	if same && t.folder.Dirty() == 0 {
		t.unsaved = time.Time{}
		return nil
	}
	t.emission.stamp(&c)
	write := t.store.Save
	if t.room > 0 {
		write = t.store.Ingest
	}
	err := write(t.partition, c, func(w store.Writer) error {
		return t.folder.Changed(func(key, value []byte) error {
			t.base.wrote(key)
			return t.left.set(w, key, value)
		})
	})
	if err != nil {
		return err
	}
	if t.folder.Len() > t.bound()/2 {
		t.base.forgetful = true
		t.folder.Shrink()
	}
	t.unsaved = time.Time{}
	t.emission.saved(c)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.saved = c
	t.announce()
	if c.Next >= t.end.Load() {
		t.level.Store(time.Now().UnixMicro())
	}
	return nil
}

// checkpoint returns where the task stands, as it is saved, with so many acts followed.
func (t *task) checkpoint(followed int) store.Checkpoint {
	return store.Checkpoint{
		Next: t.next, EventTime: t.event, Log: t.log,
		More: store.More{Parked: t.parked.listed(), Acts: followed, Sources: t.path.stored()},
	}
}

// bound is how many rows the task may keep in memory: many while it rebuilds, so that each is read and
// written seldom, few once it has caught up.
func (t *task) bound() int {
	if t.room > 0 {
		return t.room
	}
	if t.end.Load()-t.next < farBehind {
		return min(t.maxRows, max(t.maxRows/32, fewRows))
	}
	return t.maxRows
}
