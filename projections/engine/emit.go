package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/refold/refold/projections/store"
	"github.com/refold/refold/schemas/event"
	"github.com/refold/refold/streams/cluster"
	"github.com/refold/refold/streams/effect"
	"github.com/refold/refold/streams/group"
	"github.com/refold/refold/streams/position"
	"github.com/refold/refold/streams/timeline"
	"github.com/refold/refold/streams/topic"
)

// outlet is the right to publish, until somebody else takes it: an effect.Writer.
type outlet interface {
	Ends(ctx context.Context, topics ...string) (map[position.Partition]int64, error)
	Release(ctx context.Context, records []effect.Record, done effect.Done) (map[position.Partition]int64, error)
	Close()
}

// emitterConfig says what an emitter publishes, and with what.
type emitterConfig struct {
	projection string
	source     string
	topics     []string // that are emitted to
	open       func(context.Context) (outlet, error)
	scan       func(ctx context.Context, topic string, spans map[int32]timeline.Span, each func(timeline.Batch) error) error
	// read returns what a record says of itself, and false where it is no effect.
	read       func(ctx context.Context, rec *timeline.Record) (event.Effect, bool, error)
	membership func() group.Membership
	log        *roundLog
	logger     *slog.Logger
}

// emitter publishes the effects of one projection, of all its tasks and generations in this process.
//
// An effect is published once, and nothing but the effects themselves says which are. Before the first release of
// a task, and after an error, when nobody knows what has been published:
//
//  1. The transactional id is taken: what this instance began before is aborted or committed, and ends.
//  2. The ends of the effect partitions are captured, and waited for until nothing below them is open: what a
//     member of before has made is below, or its transaction is refused (package effect).
//  3. What stands below the ends is read, from where the task's checkpoint says that nothing had been emitted for
//     what it has not folded. That gives the marks.
//
// After that, effects at or below their marks are left out, the others are published in one transaction, and the
// marks go up. Tasks take turns, and who has the turn publishes for all that wait: a broker that synchronises one
// transaction after the other does more the fewer it is given.
type emitter struct {
	cfg  emitterConfig
	turn chan struct{}

	// Of who has the turn.
	outlet outlet
	doubt  bool // since the marks were read something may have been published

	mu    sync.Mutex
	queue []*release // guarded by mu; waits to be published
	marks marks      // guarded by mu; changed by who has the turn
	rule  rule       // guarded by mu; see reign.go
	// rounds and deciders are guarded by mu; see rounds.go.
	rounds   map[int32]*rounds
	deciders map[string]int64

	version atomic.Int64 // of what was decided; raised under mu
}

// release is what one task wants published after a round.
type release struct {
	voice
	member group.Membership // as it was when the round began
	// since is where the marks must be read from; nil where they are known already.
	since *[]store.End
	next  int64 // up to where the first source is folded
	// rounds are those that were decided, of a set of sources; "" where there is one source.
	rounds  []round
	sources []string
	set     string
	// overruled is why they could not be logged.
	overruled error
	effects   []outgoing
	// chosen says that these are published, whatever the marks say: all that are not there.
	chosen bool
	done   chan error // holds the answer
}

// outgoing is an effect as it will stand in its topic.
type outgoing struct {
	topic    string
	key      string
	source   string // the topic of the event, which stands at position
	position int64
	id       string
	value    []byte
}

func newEmitter(cfg emitterConfig) *emitter {
	return &emitter{cfg: cfg, turn: make(chan struct{}, 1), marks: newMarks(), rule: newRule(), rounds: make(map[int32]*rounds)}
}

// close gives up the right to publish. Nothing is released any more.
func (e *emitter) close() {
	e.turn <- struct{}{}
	e.lose()
}

// publishWithin bounds one transaction. The broker gives up a transaction after 10 s.
const publishWithin = 8 * time.Second

// release returns when the effects are published, each once. After an error they are, or not.
func (e *emitter) release(ctx context.Context, r *release) error {
	e.mu.Lock()
	e.queue = append(e.queue, r)
	e.mu.Unlock()
	for {
		select {
		case err := <-r.done:
			return err
		case <-ctx.Done():
			if e.withdraw(r) {
				return ctx.Err()
			}
			return <-r.done // somebody is publishing it
		case e.turn <- struct{}{}:
		}
		e.mu.Lock()
		batch := e.queue
		e.queue = nil
		e.mu.Unlock()
		e.publish(ctx, batch)
		<-e.turn
	}
}

// withdraw takes back what still waits.
func (e *emitter) withdraw(r *release) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	waiting := len(e.queue)
	e.queue = slices.DeleteFunc(e.queue, func(other *release) bool { return other == r })
	return len(e.queue) < waiting
}

// publish publishes what waits, those who began their rounds as the same member together, and answers. Where ctx
// ends before the marks are read, the others who wait try again.
func (e *emitter) publish(ctx context.Context, batch []*release) {
	for len(batch) > 0 {
		var same, others []*release
		for _, r := range batch {
			if r.member == batch[0].member {
				same = append(same, r)
			} else {
				others = append(others, r)
			}
		}
		err := e.publishAs(ctx, same)
		if err != nil {
			e.lose()
		}
		for _, r := range same {
			r.done <- cmp.Or(r.overruled, err)
		}
		batch = others
	}
}

// lose gives up the right to publish: it is not known any more what has been published.
func (e *emitter) lose() {
	if e.outlet != nil {
		e.outlet.Close()
		e.outlet, e.doubt = nil, true
	}
}

func (e *emitter) publishAs(ctx context.Context, batch []*release) (err error) {
	if e.outlet == nil {
		if e.outlet, err = e.cfg.open(ctx); err != nil {
			e.outlet = nil
			return err
		}
	}
	if err := e.learn(ctx, batch); err != nil {
		return fmt.Errorf("read the marks of %s: %w", e.cfg.projection, err)
	}
	if batch, err = e.logRounds(ctx, batch); err != nil {
		return fmt.Errorf("log rounds of %s: %w", e.cfg.projection, err)
	}
	for _, r := range batch {
		r.chosen = r.chosen || e.strayed(r)
		if r.chosen {
			if err := e.absent(ctx, r); err != nil {
				return fmt.Errorf("look for chosen effects of %s: %w", e.cfg.projection, err)
			}
		}
	}
	records, after := e.unpublished(batch)
	if len(records) > 0 {
		ends, err := e.transact(ctx, batch, records)
		if err != nil {
			return err
		}
		for at, end := range ends {
			after.ends[at] = max(after.ends[at], end)
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.marks = after
	return nil
}

// transact appends records that come of the work of releases, in one transaction.
func (e *emitter) transact(ctx context.Context, batch []*release, records []effect.Record) (map[position.Partition]int64, error) {
	done := effect.Done{Member: batch[0].member, Topic: e.cfg.source, Next: make(cluster.Offsets)}
	for _, r := range batch {
		done.Next[r.partition] = max(done.Next[r.partition], r.next)
	}
	// What is begun is ended: others wait for it, who have not lost their patience.
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), publishWithin)
	defer cancel()
	return e.outlet.Release(bounded, records, done)
}

// unpublished returns the effects that are not published yet, and what the marks are once they are.
func (e *emitter) unpublished(batch []*release) (records []effect.Record, after marks) {
	after = e.marks.copied()
	for _, r := range batch {
		// An event may have several effects in one partition: those of one release do not silence each other.
		before := after.copied()
		for _, o := range r.effects {
			at := position.Partition{Topic: o.topic, Partition: topic.Of(o.key, after.partitions(o.topic))}
			l := lane{position.Partition{Topic: o.source, Partition: r.partition}, at}
			if !r.chosen && (before.published(l, o.position) || !e.emits(r.voice, o.source, o.position)) {
				continue
			}
			after.note(l, r.generation, o.position)
			records = append(records, effect.Record{At: at, Key: []byte(o.key), Value: o.value, Origin: originOf(r.generation)})
		}
	}
	return records, after
}

// learn makes sure that the marks say all that is published of the partitions of a batch.
func (e *emitter) learn(ctx context.Context, batch []*release) error {
	since, unread := e.unread(batch), e.unreadRounds(batch)
	if since == nil && len(unread) == 0 {
		return nil
	}
	topics := slices.Clone(e.cfg.topics)
	if len(unread) > 0 {
		topics = append(topics, topic.Rounds)
	}
	ends, err := e.outlet.Ends(ctx, topics...)
	if err != nil {
		return err
	}
	if len(unread) > 0 {
		if err := e.learnRounds(ctx, unread, ends); err != nil {
			return err
		}
	}
	if since == nil && !e.doubt {
		return nil
	}
	found := e.marks.copied()
	for _, name := range e.cfg.topics {
		spans := make(map[int32]timeline.Span)
		for at, end := range ends {
			if at.Topic == name {
				spans[at.Partition] = timeline.Span{Start: since[at], End: end}
				found.ends[at] = max(found.ends[at], end)
			}
		}
		err := e.cfg.scan(ctx, name, spans, func(b timeline.Batch) error { return e.find(ctx, b, found) })
		if err != nil {
			return err
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.marks, e.doubt = found, false
	return nil
}

// unread returns from where the effect partitions must be read, nil where they need not be. A partition that is
// not in it must be read from its beginning.
func (e *emitter) unread(batch []*release) map[position.Partition]int64 {
	var since map[position.Partition]int64
	lower := func(ends map[position.Partition]int64) {
		if since == nil {
			since = ends
			return
		}
		for at := range since {
			since[at] = min(since[at], ends[at])
		}
	}
	if e.doubt && len(e.marks.ends) > 0 {
		lower(e.marks.copied().ends)
	}
	for _, r := range batch {
		if r.since == nil {
			continue
		}
		ends := make(map[position.Partition]int64)
		for _, end := range *r.since {
			ends[position.Partition{Topic: end.Topic, Partition: end.Partition}] = end.Offset
		}
		lower(ends)
	}
	return since
}

// find raises the marks by what a batch of an effect partition holds.
func (e *emitter) find(ctx context.Context, b timeline.Batch, found marks) error {
	for _, rec := range b.Records {
		got, ok, err := e.cfg.read(ctx, rec)
		if err != nil {
			return fmt.Errorf("effect at %s/%d offset %d: %w", b.Topic, b.Partition, rec.Offset, err)
		}
		if ok && got.Projection == e.cfg.projection {
			found.found(position.Partition{Topic: b.Topic, Partition: b.Partition}, generationOf(effect.OriginOf(rec)), got)
		}
	}
	return nil
}

// ends returns what the checkpoint of a task says of the effect partitions, where nothing was emitted for the
// records of its source partitions that it has not folded; false where something was.
func (e *emitter) ends(partition int32, c store.Checkpoint) ([]store.End, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, s := range sourcesIn(c, e.cfg.source) {
		at := position.Partition{Topic: s.Topic, Partition: partition}
		if from, ok := e.rule.complete[at]; !ok || s.Next < from || e.marks.beyond(at, s.Next) {
			return nil, false
		}
	}
	return e.marks.stored(), true
}

// emitted returns the highest position of a source partition that effects were emitted at, -1 where there are none.
func (e *emitter) emitted(source position.Partition) int64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.marks.last(source)
}

// sourcesIn returns how far each source of a checkpoint was folded; only is the one of a task that has one.
func sourcesIn(c store.Checkpoint, only string) []store.Source {
	if len(c.Sources) == 0 {
		return []store.Source{{Topic: only, Next: c.Next, Log: c.Log}}
	}
	return c.Sources
}

func comparePlaces(a, b store.End) int {
	return cmp.Or(strings.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition))
}

// errUnreleased is wrapped where effects could not be published before their task had to end. Nothing is lost:
// who has the task next folds their events again.
var errUnreleased = errors.New("its effects were not published")
