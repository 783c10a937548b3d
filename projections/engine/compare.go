package engine

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/refold/refold/projections/acts"
	"github.com/refold/refold/projections/certificate"
	"github.com/refold/refold/projections/digest"
	"github.com/refold/refold/projections/projection"
	"github.com/refold/refold/projections/store"
	"github.com/refold/refold/schemas/event"
)

// maxDifferences bounds the differing rows that a comparison keeps as examples.
const maxDifferences = 100

// comparison sums up two generations, row by row, as stored, at equal positions.
type comparison struct {
	live, candidate   *Follower
	rows, differences int64
	buckets, lives    []event.BucketDigest
	positions         []event.TopicPosition
	examples          []Difference
}

// verifyAll compares generations with the live ones as they become ready, until ctx ends. One that cannot be
// compared says why, and is tried again.
func (e *Engine) verifyAll(ctx context.Context) {
	ticker := time.NewTicker(500 * time.Millisecond)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		state, _ := e.cfg.Acts.State()
		for _, name := range e.Names() {
			p := state.Projection(name)
			e.retire(ctx, name, p, time.Now())
			for _, g := range p.Generations {
				if e.status(name, p, g).State == Ready {
					e.noteRate(store.Generation{Projection: name, Number: g.Number})
					e.note(ctx, name, g.Number, e.verify(ctx, name, g, p.Live))
				}
			}
		}
	}
}

// note keeps why a generation could not be compared, nil where it was.
func (e *Engine) note(ctx context.Context, name string, generation int64, err error) {
	if ctx.Err() != nil {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	r := e.running[store.Generation{Projection: name, Number: generation}]
	if err != nil && (r == nil || r.incomparable == nil || r.incomparable.Error() != err.Error()) {
		e.cfg.Logger.Error("generations could not be compared", "projection", name, "generation", generation, "error", err)
	}
	if r != nil {
		r.incomparable = err
	}
}

// verify compares two generations and records what it found.
func (e *Engine) verify(ctx context.Context, name string, g acts.Generation, live int64) error {
	c, err := e.compare(ctx, name, g.Number, live)
	if err != nil {
		return fmt.Errorf("compare generations %d and %d of %s: %w", live, g.Number, name, err)
	}
	e.mu.Lock()
	if r := e.running[store.Generation{Projection: name, Number: g.Number}]; r != nil {
		r.examples, r.digest = c.examples, sum(c.lives)
	}
	e.mu.Unlock()
	return e.act(ctx, event.ActRecorded{
		Kind: event.ActGenerationVerified, Principal: Platform, Reason: "it has folded all there is",
		Projection: name, Generation: g.Number, ExpectedLive: live, Version: g.Version, Hash: g.Hash,
		Rows: c.rows, Differences: c.differences, Digest: sum(c.buckets), Buckets: c.buckets, Positions: c.positions,
	})
}

// Differences compares a replay with the live generation as they are now, and returns how many rows differ and
// the first of them.
func (e *Engine) Differences(ctx context.Context, operation string) (int64, []Difference, error) {
	name, p, g, err := e.parse(operation)
	if err != nil {
		return 0, nil, err
	}
	if why := uncomparable(e.status(name, p, g)); why != "" {
		return 0, nil, &acts.Refusal{Why: fmt.Sprintf("generation %d of %s cannot be compared: %s", g.Number, name, why)}
	}
	c, err := e.compare(ctx, name, g.Number, p.Live)
	if err != nil {
		return 0, nil, fmt.Errorf("compare generations %d and %d of %s: %w", p.Live, g.Number, name, err)
	}
	return c.differences, c.examples, nil
}

// uncomparable says why a generation will not soon stand where the live one does, "" where it will.
func uncomparable(s Status) string {
	switch s.State {
	case Building:
		return fmt.Sprintf("it has %d records to go", s.Lag)
	case Paused:
		return "it is paused"
	case Stuck:
		return fmt.Sprintf("it stands still: %v", s.Err)
	case Cancelled:
		return "it is cancelled and has no rows"
	case Live, Ready, Verified, Standby:
	}
	return ""
}

// compare compares every task of two generations, and folds some rows of each twice.
func (e *Engine) compare(ctx context.Context, name string, candidate, live int64) (*comparison, error) {
	a := e.acquire(store.Generation{Projection: name, Number: live})
	if a == nil {
		return nil, fmt.Errorf("generation %d: %w", live, ErrNotHere)
	}
	defer a.readers.Done()
	b := e.acquire(store.Generation{Projection: name, Number: candidate})
	if b == nil {
		return nil, fmt.Errorf("generation %d: %w", candidate, ErrNotHere)
	}
	defer b.readers.Done()
	if err := b.whole(ctx); err != nil {
		return nil, err
	}
	if one, other := a.cfg.Definition.Sources, b.cfg.Definition.Sources; !slices.Equal(one, other) {
		return nil, &acts.Refusal{Why: fmt.Sprintf("their rows never stand at one position: the one reads %v, the other %v", one, other)}
	}
	c := &comparison{live: a.Follower, candidate: b.Follower}
	for _, t := range b.Progress() {
		keys := &sampler{}
		at, err := c.task(ctx, t.Partition, keys)
		if err == nil {
			err = e.foldTwice(ctx, b, taskAt{t.Partition, at}, keys)
		}
		if err != nil {
			return nil, fmt.Errorf("partition %d: %w", t.Partition, err)
		}
	}
	return c, nil
}

// whole says where tasks are missing here.
func (r *running) whole(ctx context.Context) error {
	ends, err := r.Ends(ctx)
	if err != nil {
		return err
	}
	if held := len(r.Progress()); held < len(ends) {
		return fmt.Errorf("%d of %d partitions are here: %w", held, len(ends), ErrNotHere)
	}
	return nil
}

// sum is the digest of digests.
func sum(buckets []event.BucketDigest) string { return certificate.Sum(outputs(buckets)) }

// bucketsOf returns the digests of a task's buckets that hold rows.
func bucketsOf(partition int32, t *digest.Task) (out []event.BucketDigest) {
	for i, s := range t.Sums() {
		if s != (digest.Sum{}) {
			out = append(out, event.BucketDigest{Partition: partition, Bucket: int32(i), Digest: hex.EncodeToString(s[:])})
		}
	}
	return out
}

// cutPatience bounds the wait until both generations stand at one position: one of them may be paused meanwhile.
const cutPatience = 30 * time.Second

// task compares one partition at a position that both generations stood at, and returns that.
func (c *comparison) task(ctx context.Context, partition int32, keys *sampler) (next int64, err error) {
	bounded, cancel := context.WithTimeout(ctx, cutPatience)
	defer cancel()
	a, b, err := cutBoth(bounded, c.live, c.candidate, partition)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, a.Close(), b.Close()) }()
	at, err := b.Checkpoint(partition)
	if err != nil {
		return 0, err
	}
	for _, s := range sourcesIn(at, c.candidate.cfg.Definition.Topic) {
		c.positions = append(c.positions, event.TopicPosition{Topic: s.Topic, Partition: partition, Offset: s.Next})
	}
	return at.Next, c.merge(ctx, a, b, merging{partition, keys})
}

// cutBoth takes snapshots of a task of two generations at one position: the one as it is now, the other
// when it gets there. Where the other is beyond it already they change places, until one is behind.
func cutBoth(ctx context.Context, a, b *Follower, partition int32) (inA, inB store.Snapshot, err error) {
	for swapped := false; ; swapped = !swapped {
		first, second := a, b
		if swapped {
			first, second = b, a
		}
		one, two, err := cutPair(ctx, first, second, partition)
		if errors.Is(err, errPassed) {
			continue
		}
		if swapped {
			one, two = two, one
		}
		return one, two, err
	}
}

func cutPair(ctx context.Context, first, second *Follower, partition int32) (one, two store.Snapshot, err error) {
	t1, err := first.task(partition)
	if err != nil {
		return nil, nil, err
	}
	t2, err := second.task(partition)
	if err != nil {
		return nil, nil, err
	}
	r1 := t1.cutAt(ctx, -1, nil)
	if r1.err != nil {
		return nil, nil, r1.err
	}
	r2 := t2.cutAt(ctx, r1.at, r1.each)
	if r2.err != nil {
		return nil, nil, errors.Join(r2.err, r1.snapshot.Close())
	}
	return r1.snapshot, r2.snapshot, nil
}

// merging is the task that is compared, and who picks some of its keys.
type merging struct {
	partition int32
	keys      *sampler
}

// merge walks through both sides in order of keys.
func (c *comparison) merge(ctx context.Context, a, b store.Snapshot, m merging) error {
	var errA, errB error
	nextA, stopA := iter.Pull(scan(a, m.partition, &errA))
	defer stopA()
	nextB, stopB := iter.Pull(scan(b, m.partition, &errB))
	defer stopB()
	var inA, inB digest.Task
	ra, okA := nextA()
	rb, okB := nextB()
	for (okA || okB) && ctx.Err() == nil {
		order := order(ra, okA, rb, okB)
		c.rows++
		if order <= 0 {
			inA.Add(ra.key, ra.whole())
		}
		if order >= 0 {
			inB.Add(rb.key, rb.whole())
			m.keys.see(rb.key)
		}
		if order != 0 || !bytes.Equal(ra.whole(), rb.whole()) {
			if err := c.differ(m.partition, order, ra, rb); err != nil {
				return err
			}
		}
		if order <= 0 {
			ra, okA = nextA()
		}
		if order >= 0 {
			rb, okB = nextB()
		}
	}
	c.lives = append(c.lives, bucketsOf(m.partition, &inA)...)
	c.buckets = append(c.buckets, bucketsOf(m.partition, &inB)...)
	return errors.Join(errA, errB, ctx.Err())
}

// order orders two rows by their keys; a side that is at its end comes last.
func order(a pair, okA bool, b pair, okB bool) int {
	switch {
	case !okA:
		return 1
	case !okB:
		return -1
	}
	return bytes.Compare(a.key, b.key)
}

// differ notes a row that differs; order says which sides have it. Each side is read by its own schema.
func (c *comparison) differ(partition int32, order int, a, b pair) (err error) {
	c.differences++
	if len(c.examples) >= maxDifferences {
		return nil
	}
	d := Difference{Partition: partition, Key: projection.DecodeKey(string(a.key))}
	if order > 0 {
		d.Key = projection.DecodeKey(string(b.key))
	}
	if order <= 0 {
		if d.Live, err = a.text(c.live.cfg.Definition); err != nil {
			return err
		}
	}
	if order >= 0 {
		if d.Candidate, err = b.text(c.candidate.cfg.Definition); err != nil {
			return err
		}
	}
	if d.Live != d.Candidate {
		if d.Fields, err = fields(d.Live, d.Candidate); err != nil {
			return err
		}
	}
	d.Fields = append(d.Fields, howFar(order, a, b)...)
	c.examples = append(c.examples, d)
	return nil
}
