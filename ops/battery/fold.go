package main

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/refold/refold/projections/catalog"
	"github.com/refold/refold/projections/engine"
	"github.com/refold/refold/projections/projection"
	"github.com/refold/refold/projections/store"
	"github.com/refold/refold/projections/store/cassandra"
	"github.com/refold/refold/projections/store/memory"
	"github.com/refold/refold/schemas/codec"
	"github.com/refold/refold/schemas/event"
	"github.com/refold/refold/services/transactions/history"
	"github.com/refold/refold/streams/cluster"
	"github.com/refold/refold/streams/position"
	"github.com/refold/refold/streams/timeline"
	"github.com/refold/refold/streams/topic"
)

// logs are the records of topics, by partition, in order.
type logs map[position.Partition][]*timeline.Record

// checkRows folds the logs anew, one task after the other, and compares: rows and effects must be the same.
func (c *fleet) checkRows(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 5*patience)
	defer cancel()
	cfg, err := cassandra.Parse(c.rowsAt())
	if err != nil {
		return err
	}
	cfg.Logger = slog.New(slog.DiscardHandler)
	cfg.Position = func(value []byte) int64 {
		at, _ := projection.StoredOffset(value)
		return at
	}
	stored, err := cassandra.Open(ctx, cfg)
	if err != nil {
		return err
	}
	defer stored.Close()
	codec, err := c.codec()
	if err != nil {
		return err
	}
	f := &fold{fleet: c, stored: stored, codec: codec, all: make(logs), told: &engine.EffectLog{Partitions: int32(c.partitions)}}
	// What is read last is what others tell: by then they have folded what they are told of.
	for _, name := range []string{topic.Transactions, topic.Profiles, topic.Notifications} {
		if err := f.read(ctx, name); err != nil {
			return err
		}
		if err := f.check(ctx, name); err != nil {
			return err
		}
	}
	return f.checkEffects(ctx)
}

// fold is a fold of the logs by one task after the other.
type fold struct {
	*fleet
	stored store.Stores
	codec  *codec.Codec
	all    logs
	told   *engine.EffectLog
}

// read reads a topic to its end.
func (f *fold) read(ctx context.Context, name string) error {
	client, err := f.bank.cluster().Client()
	if err != nil {
		return err
	}
	defer client.Close()
	ends, err := cluster.Settled(ctx, client, name)
	if err != nil {
		return err
	}
	spans := make(map[int32]timeline.Span)
	for at, end := range ends {
		spans[at.Partition] = timeline.Span{End: end}
	}
	return timeline.Scan(ctx, f.bank.cluster(), name, spans, func(b timeline.Batch) error {
		at := position.Partition{Topic: name, Partition: b.Partition}
		for _, rec := range b.Records {
			kept := *rec
			kept.Key, kept.Value = bytes.Clone(rec.Key), bytes.Clone(rec.Value)
			f.all[at] = append(f.all[at], &kept)
		}
		return nil
	})
}

// check compares the rows of every projection that reads a topic.
func (f *fold) check(ctx context.Context, source string) error {
	for _, d := range catalog.All() {
		switch {
		case d.Topic != source:
		case len(d.Sources) > 1:
			f.skip(fmt.Sprintf("the rows of %s were not folded anew: the order of its topics is in the log of rounds", d.Name))
		default:
			for p := range int32(f.partitions) {
				if err := f.checkTask(ctx, d, p); err != nil {
					return fmt.Errorf("check the rows of %s/%d: %w", d.Name, p, err)
				}
			}
		}
	}
	return nil
}

// checkTask compares the rows of a task, when it has come to the end.
func (f *fold) checkTask(ctx context.Context, d *projection.Definition, p int32) error {
	records := f.all[position.Partition{Topic: d.Topic, Partition: p}]
	if len(records) == 0 {
		return nil
	}
	last := records[len(records)-1].Offset
	kept, err := f.stored.Open(store.Generation{Projection: d.Name, Number: 1})
	if err != nil {
		return err
	}
	defer kept.Close()
	for {
		c, err := kept.Checkpoint(p)
		if err != nil {
			return err
		}
		if c.Next > last {
			break
		}
		if ctx.Err() != nil {
			f.found(history.Finding{Breach: broken, What: fmt.Sprintf("%s/%d stands at %d, and the last event is at %d", d.Name, p, c.Next, last)})
			return nil
		}
		wait(ctx, 100*time.Millisecond)
	}
	anew := memory.NewStore()
	task, err := engine.NewEmitting(d, f.codec, anew, p, 1<<20, f.told)
	if err == nil {
		err = task.Fold(timeline.Batch{Topic: d.Topic, Partition: p, Records: records, Next: last + 1, End: last + 1})
	}
	if err == nil {
		err = task.Save()
	}
	if err != nil {
		return err
	}
	return f.compare(d, p, kept, anew)
}

// compare compares what is stored, byte for byte.
func (f *fold) compare(d *projection.Definition, p int32, kept, anew store.Store) error {
	want := make(map[string][]byte)
	err := anew.Scan(p, nil, nil, func(key, value []byte) bool {
		want[string(key)] = bytes.Clone(value)
		return true
	})
	if err != nil {
		return err
	}
	differ := func(key string, got []byte) {
		f.found(history.Finding{Breach: strayRows, What: fmt.Sprintf("%s/%d %q: got %x, want %x", d.Name, p, key, got, want[key])})
	}
	err = kept.Scan(p, nil, nil, func(key, value []byte) bool {
		f.compared(1, 0)
		if !bytes.Equal(value, want[string(key)]) {
			differ(string(key), value)
		}
		delete(want, string(key))
		return true
	})
	for key := range want {
		differ(key, nil)
	}
	return err
}

// checkEffects finds every effect of the fold once in the log, and no other.
func (f *fold) checkEffects(ctx context.Context) error {
	want := make(map[string]bool)
	for _, rec := range f.told.Records() {
		e, err := f.effect(ctx, rec)
		if err != nil {
			return err
		}
		want[e.EffectID] = true
	}
	seen := make(map[string]bool)
	for at, records := range f.all {
		if at.Topic != topic.Notifications {
			continue
		}
		for _, rec := range records {
			e, err := f.effect(ctx, rec)
			if err != nil {
				return err
			}
			f.compared(0, 1)
			if seen[e.EffectID] || !want[e.EffectID] {
				f.found(history.Finding{Breach: strayEffects, What: fmt.Sprintf("of %s at %d/%d: %+v", at.Topic, at.Partition, rec.Offset, e)})
			}
			seen[e.EffectID] = true
		}
	}
	for id := range want {
		if !seen[id] {
			f.found(history.Finding{Breach: strayEffects, What: fmt.Sprintf("%s was not published", id)})
		}
	}
	return nil
}

func (f *fold) effect(ctx context.Context, rec *timeline.Record) (e event.Effect, err error) {
	schema, err := f.codec.Lookup(ctx, rec.Value)
	if err == nil {
		err = schema.Decode(rec.Value, &e)
	}
	return e, err
}

// Findings about read models.
const (
	strayRows    history.Breach = "rows that are not as folded anew"
	strayEffects history.Breach = "effects missing, doubled or unasked"
)
