package engine

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"iter"
	"time"

	"github.com/refold/refold/projections/projection"
	"github.com/refold/refold/projections/store"
	"github.com/refold/refold/schemas/event"
)

// maxDifferences bounds the differing rows that a comparison keeps as examples.
const maxDifferences = 100

// Difference is a row that differs between two generations. A value is empty where there is no row.
type Difference struct {
	Partition       int32
	Key             projection.Key
	Live, Candidate string
}

// comparison sums up two generations, row by row, as stored, at equal positions.
type comparison struct {
	rows, differences int64
	live, candidate   hash.Hash
	examples          []Difference
	text              func([]byte) (string, error)
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
			for _, g := range p.Generations {
				if e.status(name, p, g).State == Ready {
					e.noteRate(store.Generation{Projection: name, Number: g.Number})
					e.note(ctx, name, g.Number, e.verify(ctx, name, g.Number, p.Live))
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
	if err != nil {
		e.cfg.Logger.Error("generations could not be compared", "projection", name, "generation", generation, "error", err)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if r := e.running[store.Generation{Projection: name, Number: generation}]; r != nil {
		r.incomparable = err
	}
}

// verify compares two generations and records what it found.
func (e *Engine) verify(ctx context.Context, name string, candidate, live int64) error {
	a := e.acquire(store.Generation{Projection: name, Number: live})
	if a == nil {
		return fmt.Errorf("compare with generation %d of %s: %w", live, name, ErrNotHere)
	}
	defer a.readers.Done()
	b := e.acquire(store.Generation{Projection: name, Number: candidate})
	if b == nil {
		return fmt.Errorf("compare generation %d of %s: %w", candidate, name, ErrNotHere)
	}
	defer b.readers.Done()
	ends, err := b.Ends(ctx)
	if err != nil {
		return err
	}
	if held := len(b.Progress()); held < len(ends) {
		return fmt.Errorf("compare generation %d of %s: %d of %d partitions are here: %w", candidate, name, held, len(ends), ErrNotHere)
	}
	c := &comparison{live: sha256.New(), candidate: sha256.New(), text: b.cfg.Definition.Text}
	act := event.ActRecorded{
		Kind: event.ActGenerationVerified, Principal: Platform, Reason: "it has folded all there is",
		Projection: name, Generation: candidate, ExpectedLive: live,
		Version: b.cfg.Definition.Version, Hash: b.cfg.Definition.Hash,
	}
	for _, t := range b.Progress() {
		at, err := c.task(ctx, a.Follower, b.Follower, t.Partition)
		if err != nil {
			return fmt.Errorf("compare %s/%d of generations %d and %d: %w", name, t.Partition, live, candidate, err)
		}
		act.Positions = append(act.Positions, event.TopicPosition{Topic: b.cfg.Definition.Topic, Partition: t.Partition, Offset: at})
	}
	act.Rows, act.Differences = c.rows, c.differences
	act.Digest = sum(c.candidate)
	e.mu.Lock()
	b.examples, b.digest = c.examples, sum(c.live)
	e.mu.Unlock()
	return e.act(ctx, act)
}

func sum(h hash.Hash) string { return hex.EncodeToString(h.Sum(nil)[:16]) }

// cutPatience bounds the wait until both generations stand at one position: one of them may be paused meanwhile.
const cutPatience = 30 * time.Second

// task compares one partition at a position that both generations stood at.
func (c *comparison) task(ctx context.Context, live, candidate *Follower, partition int32) (at int64, err error) {
	bounded, cancel := context.WithTimeout(ctx, cutPatience)
	defer cancel()
	a, b, at, err := cutBoth(bounded, live, candidate, partition)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, a.Close(), b.Close()) }()
	return at, c.merge(ctx, a, b, partition)
}

// cutBoth takes snapshots of a task of two generations at one position: the one as it is now, the other
// when it gets there. Where the other is beyond it already they change places, until one is behind.
func cutBoth(ctx context.Context, a, b *Follower, partition int32) (inA, inB store.Snapshot, at int64, err error) {
	for swapped := false; ; swapped = !swapped {
		first, second := a, b
		if swapped {
			first, second = b, a
		}
		one, two, at, err := cutPair(ctx, first, second, partition)
		if errors.Is(err, errPassed) {
			continue
		}
		if swapped {
			one, two = two, one
		}
		return one, two, at, err
	}
}

func cutPair(ctx context.Context, first, second *Follower, partition int32) (one, two store.Snapshot, at int64, err error) {
	t1, err := first.task(partition)
	if err != nil {
		return nil, nil, 0, err
	}
	t2, err := second.task(partition)
	if err != nil {
		return nil, nil, 0, err
	}
	r1 := t1.cutAt(ctx, -1)
	if r1.err != nil {
		return nil, nil, 0, r1.err
	}
	r2 := t2.cutAt(ctx, r1.at)
	if r2.err != nil {
		return nil, nil, 0, errors.Join(r2.err, r1.snapshot.Close())
	}
	return r1.snapshot, r2.snapshot, r1.at, nil
}

type pair struct{ key, value []byte }

// scan yields copies of a task's rows in order of their keys; *err is set when it ends early.
func scan(s store.Reader, partition int32, err *error) iter.Seq[pair] {
	return func(yield func(pair) bool) {
		*err = s.Scan(partition, nil, nil, func(k, v []byte) bool {
			return yield(pair{bytes.Clone(k), bytes.Clone(v)})
		})
	}
}

// merge walks through both sides in order of keys.
func (c *comparison) merge(ctx context.Context, a, b store.Snapshot, partition int32) error {
	var errA, errB error
	nextA, stopA := iter.Pull(scan(a, partition, &errA))
	defer stopA()
	nextB, stopB := iter.Pull(scan(b, partition, &errB))
	defer stopB()
	ra, okA := nextA()
	rb, okB := nextB()
	for (okA || okB) && ctx.Err() == nil {
		order := compare(ra, okA, rb, okB)
		c.rows++
		if order <= 0 {
			add(c.live, partition, ra)
		}
		if order >= 0 {
			add(c.candidate, partition, rb)
		}
		if order != 0 || !bytes.Equal(ra.value, rb.value) {
			if err := c.differ(partition, order, ra, rb); err != nil {
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
	return errors.Join(errA, errB, ctx.Err())
}

// compare orders two rows by their keys; a side that is at its end comes last.
func compare(a pair, okA bool, b pair, okB bool) int {
	switch {
	case !okA:
		return 1
	case !okB:
		return -1
	}
	return bytes.Compare(a.key, b.key)
}

func add(h hash.Hash, partition int32, p pair) {
	var head [12]byte
	binary.BigEndian.PutUint32(head[0:], uint32(partition))
	binary.BigEndian.PutUint32(head[4:], uint32(len(p.key)))
	binary.BigEndian.PutUint32(head[8:], uint32(len(p.value)))
	h.Write(head[:])
	h.Write(p.key)
	h.Write(p.value)
}

// differ notes a row that differs; order says which sides have it.
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
		if d.Live, err = c.text(a.value); err != nil {
			return err
		}
	}
	if order >= 0 {
		if d.Candidate, err = c.text(b.value); err != nil {
			return err
		}
	}
	c.examples = append(c.examples, d)
	return nil
}
