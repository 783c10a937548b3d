package engine

import (
	"errors"
	"fmt"

	"github.com/refold/refold/projections/projection"
	"github.com/refold/refold/schemas/codec"
	"github.com/refold/refold/streams/timeline"
)

// crew are the builds of one pass that is under way: all of them have come equally far.
type crew struct {
	builds   []*build
	together *projection.Together
	schema   int   // of the record before
	offset   int64 // of the record that is folded
	leaving  bool  // one of them is over
}

func newCrew(builds []*build, room int, records int64) *crew {
	c := &crew{builds: builds, schema: -1}
	for _, one := range builds {
		one.room, one.records = room, records
	}
	c.join()
	return c
}

// join has those that are left fold together.
func (c *crew) join() {
	var folders []projection.Folder
	for _, one := range c.builds {
		folders = append(folders, one.folder)
	}
	c.together = projection.Join(folders, func(i int, err error) {
		c.leave(c.builds[i], fmt.Errorf("fold record at offset %d: %w", c.offset, err))
	})
}

// leave notes that a build is over, and why it cannot go on, nil where it only may not.
func (c *crew) leave(one *build, err error) {
	one.over, one.problem, c.leaving = true, err, true
}

// part ends the builds that are over.
func (c *crew) part() {
	left := make([]*build, 0, len(c.builds))
	for _, one := range c.builds {
		if one.over {
			one.end(one.problem)
			continue
		}
		left = append(left, one)
	}
	c.builds, c.leaving = left, false
	c.join()
}

// errUnwanted ends a pass whose tasks have all gone.
var errUnwanted = errors.New("nobody wants it any more")

// take folds a batch for every build, and saves those that have no more room or were saved long ago.
func (c *crew) take(batch timeline.Batch) error {
	for _, one := range c.builds {
		if !one.admitted(len(batch.Records)) {
			c.leave(one, nil)
		}
	}
	if c.leaving {
		c.part()
	}
	for _, rec := range batch.Records {
		c.fold(rec)
		if c.leaving {
			c.part()
		}
	}
	for _, one := range c.builds {
		if err := one.took(batch); err != nil {
			c.leave(one, err)
		}
	}
	if c.leaving {
		c.part()
	}
	if len(c.builds) == 0 {
		return errUnwanted
	}
	return nil
}

// fold folds a record for every build, once each has learnt how to read it.
func (c *crew) fold(rec *timeline.Record) {
	c.offset = rec.Offset
	if id, err := codec.SchemaID(rec.Value); err != nil || id != c.schema {
		for _, one := range c.builds {
			if err := one.learn(one.ctx, rec); err != nil {
				c.leave(one, fmt.Errorf("record at offset %d: %w", rec.Offset, err))
			}
		}
		if c.schema = id; c.leaving {
			c.part()
		}
	}
	c.together.Fold(rec)
}

// took notes that a batch is folded, and saves where there is no more room or it is long ago.
func (b *build) took(batch timeline.Batch) error {
	b.saw(max(batch.End, batch.Next))
	if n := len(batch.Records); n > 0 {
		b.event = batch.Records[n-1].Timestamp
		b.folded.Add(int64(n))
	}
	b.next = max(b.next, batch.Next)
	saved, _ := b.state()
	if b.folder.Dirty() >= b.room || b.next-saved.Next >= b.records {
		return b.save(b.ctx)
	}
	return nil
}
